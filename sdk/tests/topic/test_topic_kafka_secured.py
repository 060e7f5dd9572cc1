"""The Kafka topic on brokers that require TLS and a password, or a certificate."""

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from embark.backends import Secrets, topic_access
from embark.errors import UnavailableError
from embark.settings import TopicSettings
from embark.spec import SaslMechanism
from embark.topic.kafka.adapter import KafkaAccess, KafkaTopic
from embark.topic.kafka.cluster import KafkaCluster
from embark.topic.kafka.limits import KafkaLimits
from embark.topic.kafka.options import access_options
from embark.topic.kafka.producer import KafkaProducer
from embark.topic.kafka.schema import ensure_topics
from embark_testing.contracts.records import CAPACITY, NO_TIME, finished, send, take
from embark_testing.deployments.kafka_topics import topic_settings
from embark_testing.eventually import eventually
from embark_testing.servers.authorities import Authority, pem_store
from embark_testing.servers.fixtures import skipping_without_tools
from embark_testing.servers.kafka_server import KafkaServer, Security, kafka_server
from embark_testing.servers.maven_jars import server_jars

pytestmark = pytest.mark.integration
USER, PASSWORD = "embark", "not-a-secret"
SHORT = timedelta(seconds=3)
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
PLAIN = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
MECHANISMS = {
    "sasl.enabled.mechanisms": ",".join(SaslMechanism),
    "listener.name.clients.scram-sha-256.sasl.jaas.config": SCRAM,
    "listener.name.clients.scram-sha-512.sasl.jaas.config": SCRAM,
    "listener.name.clients.plain.sasl.jaas.config": PLAIN,
}
# The problem of a client, and a part of the error.
REFUSED_BY_PASSWORD = {
    "another password": "invalid credentials with sasl mechanism scram-sha-512",
    "no user": "contacted over ssl anonymously",
    "no TLS": "contacted over sasl_plaintext as embark",
    "another authority": "certificate verify failed",
}
REFUSED_BY_CERTIFICATE = {"no certificate": "bad certificate", "of another authority": "certificate unknown"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    with skipping_without_tools():
        server_jars("kafka", os.environ)
        return Authority(tmp_path_factory.mktemp("secrets") / "authority")


@pytest.fixture(scope="module")
def tls(authority: Authority) -> dict[str, str]:
    """The properties of a broker with a certificate of the authority, which trusts only certificates of the same."""
    secret = authority.issue("broker")
    stores = {"keystore": pem_store(secret), "truststore": secret / "ca.crt"}
    located = {f"ssl.{store}.location": str(path) for store, path in stores.items()}
    return located | {f"ssl.{store}.type": "PEM" for store in stores}


@pytest.fixture(scope="module")
def user(authority: Authority) -> KafkaAccess:
    return KafkaAccess(USER, PASSWORD, (authority.trusted() / "ca.crt").read_text())


@pytest.fixture(scope="module")
def certified(authority: Authority) -> KafkaAccess:
    return topic_access(Secrets(topic_tls=authority.issue("client")))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> KafkaAccess:  # noqa: ARG001 - skips
    """A client that trusts, and has a certificate of, another authority."""
    another = Authority(tmp_path_factory.mktemp("strange") / "another")
    return topic_access(Secrets(topic_tls=another.issue("client")))


@pytest.fixture(scope="module")
def by_password(
    tls: dict[str, str], user: KafkaAccess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KafkaServer]:
    security = Security("SASL_SSL", tls | MECHANISMS, {USER: PASSWORD}, login(user))
    with kafka_server(tmp_path_factory.mktemp("by_password"), security=security) as server:
        yield server


@pytest.fixture(scope="module")
def by_certificate(
    tls: dict[str, str], certified: KafkaAccess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KafkaServer]:
    security = Security("SSL", tls | {"ssl.client.auth": "required"}, login=login(certified))
    with kafka_server(tmp_path_factory.mktemp("by_certificate"), security=security) as server:
        yield server


def login(access: KafkaAccess) -> dict[str, str]:
    """Return the options of a plain client other than the address."""
    options = access_options(topic_settings("127.0.0.1:1").kafka, access)
    return {name: str(value) for name, value in options.items() if name.startswith(("security.", "sasl.", "ssl."))}


def settings_by(server: KafkaServer, mechanism: SaslMechanism = SaslMechanism.SCRAM_SHA_512) -> TopicSettings:
    settings = topic_settings(server.bootstrap)
    return settings.model_copy(update={"kafka": settings.kafka.model_copy(update={"sasl_mechanism": mechanism})})


def assert_served(settings: TopicSettings, access: KafkaAccess) -> None:
    assert [state.created for state in ensure_topics(settings, access)] == [True, True]
    topic = KafkaTopic(settings, access, capacity=CAPACITY)
    producer, consumer = topic.producer(), topic.consumer("group")
    keys = send(producer, "a", "b")
    records = take(consumer, 2)
    consumer.commit(finished(records))
    topic.dead_letters().append(b"dead", b"cause")
    assert sorted(record.key for record in records) == keys
    assert (consumer.lag(), [letter.key for letter in topic.dead_letters().read()]) == (0, [b"dead"])
    topic.close()


def assert_refused(settings: TopicSettings, access: KafkaAccess, reason: str, caplog: pytest.LogCaptureFixture) -> None:
    """Check that every part of a topic raises the reason, and the producer, which never raises, logs it."""
    topic = KafkaTopic(
        settings, access, limits=KafkaLimits(dead_letters=SHORT, dead_letter_report=timedelta(seconds=4))
    )
    consumer, letters = topic.consumer("group"), topic.dead_letters()
    calls: list[Callable[[], object]] = [
        lambda: ensure_topics(settings, access, timeout=SHORT),
        lambda: consumer.poll(1, NO_TIME),
        consumer.lag,
        lambda: letters.append(b"key", b"value"),
    ]
    for call in calls:
        # A connection may report its error after the first call has ended.
        eventually(lambda call=call: reason in error_message(call).lower(), 60, f"{reason!r} is reported")  # type: ignore[misc]
    topic.close()
    cluster = KafkaCluster(settings.kafka, access, client_id="test")
    producer = KafkaProducer(cluster, settings.fills, max_age=SHORT)
    with caplog.at_level(logging.WARNING, "embark.topic.kafka.producer"):
        send(producer, "a")
        eventually(lambda: "fills lost" in caplog.text, 60, "the producer logs a lost fill")
    producer.close(NO_TIME)
    assert reason in caplog.text.lower()


def error_message(call: Callable[[], object]) -> str:
    try:
        call()
    except UnavailableError as error:
        return str(error)
    pytest.fail("the brokers accepted the client")


@pytest.mark.parametrize("mechanism", SaslMechanism)
def test_a_client_with_the_password_and_the_authority_is_served(
    by_password: KafkaServer, user: KafkaAccess, mechanism: SaslMechanism
) -> None:
    assert_served(settings_by(by_password, mechanism), user)


def test_a_client_with_a_certificate_of_the_authority_is_served(
    by_certificate: KafkaServer, certified: KafkaAccess
) -> None:
    assert_served(settings_by(by_certificate), certified)


@pytest.mark.parametrize("problem", REFUSED_BY_PASSWORD)
def test_a_client_that_is_refused_learns_why(
    by_password: KafkaServer, user: KafkaAccess, stranger: KafkaAccess, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    refused = {
        "another password": replace(user, password="wrong"),  # noqa: S106 - not a secret
        "no user": replace(user, username="", password=""),
        "no TLS": replace(user, authority=""),
        "another authority": replace(user, authority=stranger.authority),
    }[problem]
    assert_refused(settings_by(by_password), refused, REFUSED_BY_PASSWORD[problem], caplog)


@pytest.mark.parametrize("problem", REFUSED_BY_CERTIFICATE)
def test_a_missing_or_untrusted_certificate_is_named(
    by_certificate: KafkaServer,
    certified: KafkaAccess,
    stranger: KafkaAccess,
    problem: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    refused = {
        "no certificate": KafkaAccess(authority=certified.authority),
        "of another authority": replace(stranger, authority=certified.authority),
    }[problem]
    assert_refused(settings_by(by_certificate), refused, REFUSED_BY_CERTIFICATE[problem], caplog)
