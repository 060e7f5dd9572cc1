"""The Kafka topic on brokers that speak TLS and ask for a password, or for a certificate."""

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
# What is wrong, and the words that say so.
NOT_LET_IN = {
    "another password": "invalid credentials with sasl mechanism scram-sha-512",
    "no user": "asked over ssl as nobody",
    "no TLS": "asked over sasl_plaintext as embark",
    "another authority": "certificate verify failed",
}
NOT_CERTIFIED = {"no certificate": "bad certificate", "of another authority": "certificate unknown"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    with skipping_without_tools():
        server_jars("kafka", os.environ)
        return Authority(tmp_path_factory.mktemp("secrets") / "authority")


@pytest.fixture(scope="module")
def tls(authority: Authority) -> dict[str, str]:
    """The properties of a broker that shows a certificate of the authority, and trusts those that it signed."""
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
    """Who trusts, and is certified by, another authority."""
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


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embark.topic.kafka.dead_letters._PATIENCE", SHORT)


def login(access: KafkaAccess) -> dict[str, str]:
    """What a plain client needs besides the address."""
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


def assert_refused(settings: TopicSettings, access: KafkaAccess, said: str, caplog: pytest.LogCaptureFixture) -> None:
    """Every part of a topic ends in an error that says why; the producer, which never raises, in a warning."""
    topic = KafkaTopic(settings, access)
    consumer, letters = topic.consumer("group"), topic.dead_letters()
    calls: list[Callable[[], object]] = [
        lambda: ensure_topics(settings, access, patience=SHORT),
        lambda: consumer.poll(1, NO_TIME),
        consumer.lag,
        lambda: letters.append(b"key", b"value"),
    ]
    for call in calls:
        # What a connection reports may be later than the end of the first call that waited for it.
        eventually(lambda call=call: said in failure_of(call).lower(), 60, f"{said!r} is said")  # type: ignore[misc]
    topic.close()
    cluster = KafkaCluster(settings.kafka, access, client_id="test")
    producer = KafkaProducer(cluster, settings.fills, kept_for=SHORT)
    with caplog.at_level(logging.WARNING, "embark.topic.kafka.producer"):
        send(producer, "a")
        eventually(lambda: "fills are lost" in caplog.text, 60, "the producer says that it lost one")
    producer.close(NO_TIME)
    assert said in caplog.text.lower()


def failure_of(call: Callable[[], object]) -> str:
    try:
        call()
    except UnavailableError as error:
        return str(error)
    pytest.fail("the brokers let everybody in")


@pytest.mark.parametrize("mechanism", SaslMechanism)
def test_who_has_the_password_and_trusts_the_authority_is_served(
    by_password: KafkaServer, user: KafkaAccess, mechanism: SaslMechanism
) -> None:
    assert_served(settings_by(by_password, mechanism), user)


def test_who_has_a_certificate_of_the_authority_is_served(by_certificate: KafkaServer, certified: KafkaAccess) -> None:
    assert_served(settings_by(by_certificate), certified)


@pytest.mark.parametrize("fault", NOT_LET_IN)
def test_everyone_else_is_told_why_not(
    by_password: KafkaServer, user: KafkaAccess, stranger: KafkaAccess, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    faulty = {
        "another password": replace(user, password="wrong"),  # noqa: S106 - no secret
        "no user": replace(user, username="", password=""),
        "no TLS": replace(user, authority=""),
        "another authority": replace(user, authority=stranger.authority),
    }[fault]
    assert_refused(settings_by(by_password), faulty, NOT_LET_IN[fault], caplog)


@pytest.mark.parametrize("fault", NOT_CERTIFIED)
def test_a_certificate_that_is_missing_or_not_trusted_is_named(
    by_certificate: KafkaServer,
    certified: KafkaAccess,
    stranger: KafkaAccess,
    fault: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    faulty = {
        "no certificate": KafkaAccess(authority=certified.authority),
        "of another authority": replace(stranger, authority=certified.authority),
    }[fault]
    assert_refused(settings_by(by_certificate), faulty, NOT_CERTIFIED[fault], caplog)
