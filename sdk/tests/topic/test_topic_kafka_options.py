import pytest

from embark.errors import InvalidSpecError
from embark.settings import TopicSettings
from embark.spec import SaslMechanism
from embark.topic.kafka.adapter import KafkaAccess, KafkaTopic
from embark.topic.kafka.options import access_options, consumer_options
from embark_testing.deployments.kafka_topics import topic_settings


@pytest.fixture
def settings() -> TopicSettings:
    return topic_settings("127.0.0.1:1")


@pytest.mark.parametrize(
    ("access", "protocol"),
    [
        (KafkaAccess(), "plaintext"),
        (KafkaAccess(username="embark", password="secret"), "sasl_plaintext"),  # noqa: S106 - no secret
        (KafkaAccess(authority="PEM"), "ssl"),
        (KafkaAccess(certificate="PEM", private_key="PEM"), "ssl"),
        (KafkaAccess(username="embark", authority="PEM"), "sasl_ssl"),
    ],
)
def test_the_contents_of_the_secrets_select_the_protocol(
    settings: TopicSettings, access: KafkaAccess, protocol: str
) -> None:
    options = access_options(settings.kafka, access)
    assert options["security.protocol"] == protocol
    assert ("sasl.password" in options, options.get("ssl.ca.pem", "")) == (bool(access.username), access.authority)


def test_a_tls_secret_enables_tls_with_the_authorities_of_the_system(settings: TopicSettings) -> None:
    kafka = settings.kafka.model_copy(update={"tls_secret": "kafka-tls"})
    assert access_options(kafka, KafkaAccess())["security.protocol"] == "ssl"


def test_a_secret_without_credentials_is_rejected_before_anything_is_sent(settings: TopicSettings) -> None:
    kafka = settings.kafka.model_copy(update={"credentials_secret": "kafka"})
    with pytest.raises(InvalidSpecError, match="credentialsSecret"):
        KafkaTopic(settings.model_copy(update={"kafka": kafka}))


def test_a_certificate_without_its_key_is_rejected(settings: TopicSettings) -> None:
    with pytest.raises(InvalidSpecError, match="tlsSecret"):
        KafkaTopic(settings, KafkaAccess(certificate="PEM"))


def test_a_malformed_pem_is_rejected(settings: TopicSettings) -> None:
    topic = KafkaTopic(settings, KafkaAccess(authority="not a PEM"))
    with pytest.raises(InvalidSpecError, match=r"spec\.topic\.kafka: librdkafka refuses it"):
        topic.producer()
    topic.close()


@pytest.mark.parametrize("mechanism", SaslMechanism)
def test_the_spec_selects_the_sasl_mechanism(settings: TopicSettings, mechanism: SaslMechanism) -> None:
    kafka = settings.kafka.model_copy(update={"sasl_mechanism": mechanism})
    assert access_options(kafka, KafkaAccess(username="embark"))["sasl.mechanism"] == mechanism.value


def test_secrets_are_not_printed() -> None:
    access = KafkaAccess("embark", "a password", private_key="a key")
    assert "embark" in repr(access)
    assert "a password" not in repr(access)
    assert "a key" not in repr(access)


def test_a_classic_group_moves_as_few_partitions_as_the_new_protocol() -> None:
    assert consumer_options("group", classic=True)["partition.assignment.strategy"] == "cooperative-sticky"
    assert "partition.assignment.strategy" not in consumer_options("group", classic=False)
