"""A password of Kafka that is changed while a topic is open."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import admin as kafka_admin
from eventually import eventually
from kafka_server import KafkaServer, Security, kafka_server
from servers_fixtures import skipping_without_tools
from topic_kafka import topic_settings
from topic_records import A_WHILE, NO_TIME, finished, send, take

from embark.backends import RenewedTopicAccess, Secrets, open_topic, topic_access
from embark.errors import UnavailableError
from embark.topic import FillConsumer, Record
from embark.topic.kafka_schema import ensure_topics

USER, FIRST, SECOND = "embark", "the-first", "the-second"
ADMIN = {
    "security.protocol": "sasl_plaintext",
    "sasl.mechanism": "SCRAM-SHA-512",
    "sasl.username": "admin",
    "sasl.password": "admin",
}
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
BACK = 60.0


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    (tmp_path / "username").write_text(USER)
    (tmp_path / "password").write_text(FIRST)
    return tmp_path


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    mechanisms = {
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.clients.scram-sha-512.sasl.jaas.config": SCRAM,
    }
    security = Security("SASL_PLAINTEXT", mechanisms, {USER: FIRST, "admin": "admin"}, ADMIN)
    with skipping_without_tools(), kafka_server(tmp_path_factory.mktemp("renewed"), security=security) as made:
        yield made


@pytest.mark.integration
def test_a_password_that_is_changed_in_kafka_and_in_the_secret_is_taken_by_the_topic_that_is_open(
    server: KafkaServer, secret: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = topic_settings(server.bootstrap)
    settings = settings.model_copy(
        update={"kafka": settings.kafka.model_copy(update={"credentials_secret": "kafka-user"})}
    )
    secrets = Secrets(topic_credentials=secret)
    ensure_topics(settings, topic_access(secrets))
    topic = open_topic(settings, secrets)
    producer, consumer = topic.producer(), topic.consumer("group")
    send(producer, "before")
    consumer.commit(finished(take(consumer, 1)))
    change_password(server, SECOND)
    server.stop()
    server.start()
    # As where a pod gets the new password up to a minute after Kafka has it.
    eventually(lambda: "invalid credentials" in said(caplog, consumer), BACK, "the old password is refused")
    (secret / "password").write_text(SECOND)
    send(producer, "after")
    (record,) = eventually(lambda: received(consumer), BACK, "the record comes")
    assert record.key == b"after"
    consumer.commit(finished([record]))
    assert consumer.lag() == 0
    topic.close()


def test_access_is_read_again_where_a_file_has_changed_and_only_then(secret: Path) -> None:
    renewed = RenewedTopicAccess(Secrets(topic_credentials=secret, topic_tls=secret))
    (secret / "ca.crt").write_text("PEM")
    found = renewed()
    assert found is not None
    assert (found.username, found.password, found.authority) == (USER, FIRST, "PEM")
    assert renewed() is None
    (secret / "password").write_text(SECOND)
    changed = renewed()
    assert changed is not None
    assert changed.password == SECOND


def test_access_that_cannot_be_read_is_said_and_read_once_it_can(
    secret: Path, caplog: pytest.LogCaptureFixture
) -> None:
    renewed = RenewedTopicAccess(Secrets(topic_credentials=secret))
    (secret / "password").unlink()
    with caplog.at_level(logging.WARNING):
        assert renewed() is None
    assert "not renewed yet" in caplog.text
    (secret / "password").write_text(SECOND)
    found = renewed()
    assert found is not None
    assert found.password == SECOND


def change_password(server: KafkaServer, password: str) -> None:
    # All of it is exported, and not said so.
    admin: Any = kafka_admin
    scram = admin.ScramCredentialInfo(admin.ScramMechanism.SCRAM_SHA_512, 4096)
    change = admin.UserScramCredentialUpsertion(USER, scram, password.encode())
    client = admin.AdminClient({"bootstrap.servers": server.bootstrap, **ADMIN})
    for future in client.alter_user_scram_credentials([change]).values():
        future.result()


def said(caplog: pytest.LogCaptureFixture, consumer: FillConsumer) -> str:
    with suppress(UnavailableError):
        consumer.poll(1, NO_TIME)
    return caplog.text


def received(consumer: FillConsumer) -> list[Record]:
    try:
        return list(consumer.poll(1, A_WHILE))
    except UnavailableError:
        return []
