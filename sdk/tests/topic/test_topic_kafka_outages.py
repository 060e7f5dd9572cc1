"""A broker that dies, stays away or comes back; the tests that need none to be there run everywhere."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from confluent_kafka import KafkaError

from embark.errors import UnavailableError
from embark.topic import Losses
from embark.topic.kafka.adapter import KafkaTopic
from embark.topic.kafka.cluster import KafkaCluster
from embark.topic.kafka.consumer import KafkaConsumer
from embark.topic.kafka.producer import KafkaProducer
from embark.topic.kafka.schema import ensure_topics
from embark_testing.contracts.records import BRIEF, NO_TIME, PATIENT, finished, send, sorted_keys, take
from embark_testing.deployments.kafka_topics import fresh_topic, topic_settings
from embark_testing.eventually import eventually
from embark_testing.servers.kafka_server import KafkaServer

# Nothing listens there: the port is reserved, and binding it needs root.
NOBODY = "127.0.0.1:1"


@pytest.fixture
def topic(kafka: KafkaServer) -> Iterator[KafkaTopic]:
    with fresh_topic(kafka.bootstrap) as made:
        yield made


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[KafkaTopic]:
    monkeypatch.setattr("embark.topic.kafka.consumer._FIRST_PROBE_SECONDS", 0.1)
    monkeypatch.setattr("embark.topic.kafka.consumer._PROBE_SECONDS", 0.1)
    monkeypatch.setattr("embark.topic.kafka.dead_letters._PATIENCE", timedelta(milliseconds=100))
    monkeypatch.setattr("embark.topic.kafka.dead_letters._REPORT_SECONDS", 5.0)
    monkeypatch.setattr("embark.topic.kafka.lag._PATIENCE", timedelta(milliseconds=100))
    topic = KafkaTopic(topic_settings(NOBODY), capacity=10)
    yield topic
    topic.close()


def outage_of(consumer: KafkaConsumer) -> str:
    consumer.pause(True)  # noqa: FBT003 - as the protocol
    try:
        consumer.poll(1, BRIEF)
    except UnavailableError as error:
        return str(error)
    else:
        return ""
    finally:
        consumer.pause(False)  # noqa: FBT003 - as the protocol


def test_without_a_broker_a_producer_takes_what_fits_and_sheds_the_rest(nowhere: KafkaTopic) -> None:
    producer = nowhere.producer()
    assert [producer.produce(b"key", b"value", {"traceparent": b"00"}) for _ in range(12)] == [True] * 10 + [False] * 2
    # What librdkafka has to report counts as well, until that is served.
    eventually(lambda: producer.pending() == 10, what="ten are taken")
    assert producer.losses() == Losses(shed=2)
    assert producer.close(NO_TIME) == 10
    assert (producer.pending(), producer.losses()) == (0, Losses(shed=2, dropped=10))
    assert not producer.produce(b"late", b"", {})


def test_what_waits_too_long_is_dropped_and_makes_room() -> None:
    cluster = KafkaCluster(topic_settings(NOBODY).kafka, None, client_id="test")
    producer = KafkaProducer(cluster, "fills", capacity=10, kept_for=timedelta(milliseconds=100))
    send(producer, *(f"key {i}" for i in range(10)))
    eventually(lambda: producer.losses().dropped == 10, what="all are dropped")
    assert producer.produce(b"key", b"", {})
    producer.close(NO_TIME)


def test_a_record_that_can_never_be_delivered_is_refused(nowhere: KafkaTopic) -> None:
    producer = nowhere.producer()
    assert not producer.produce(b"key", bytes(2_000_000), {})
    assert producer.produce(b"key", b"", {})
    assert producer.losses() == Losses(refused=1)


def test_a_producer_begins_anew_after_a_fatal_error(nowhere: KafkaTopic) -> None:
    producer = nowhere.producer()
    send(producer, "a", "b")
    producer._failed(KafkaError(KafkaError._FATAL, "refused", fatal=True))
    eventually(lambda: producer.losses().dropped == 2, what="what the first client held is given up")
    send(producer, "c")
    eventually(lambda: producer.pending() == 1, what="the new client holds what came after")


def test_without_a_broker_every_question_is_answered_by_unavailable(nowhere: KafkaTopic) -> None:
    consumer, letters = nowhere.consumer("group"), nowhere.dead_letters()
    with pytest.raises(UnavailableError, match="topic: "):
        consumer.poll(1, NO_TIME)
    with pytest.raises(UnavailableError, match="the lag of group is not known"):
        consumer.lag()
    with pytest.raises(UnavailableError, match="dead-letters: "):
        letters.append(b"key", b"value")
    with pytest.raises(UnavailableError, match="dead-letters: "):
        letters.read()
    with pytest.raises(UnavailableError, match="fills: "):
        ensure_topics(topic_settings(NOBODY), patience=timedelta(milliseconds=100))


@pytest.mark.integration
def test_a_topic_that_nobody_has_made_is_named(kafka: KafkaServer) -> None:
    settings = topic_settings(kafka.bootstrap)
    topic = KafkaTopic(settings)
    with pytest.raises(UnavailableError, match=rf"there is no {settings.fills}; the schema command"):
        topic.consumer("group").poll(1, PATIENT)
    topic.close()


@pytest.mark.integration
def test_what_a_producer_took_is_delivered_once_the_killed_broker_is_back(
    topic: KafkaTopic, kafka: KafkaServer
) -> None:
    producer = topic.producer()
    keys = send(producer, *(f"before {i}" for i in range(10)))
    kafka.kill()
    try:
        keys += send(producer, *(f"meanwhile {i}" for i in range(20)))
    finally:
        kafka.start()
    keys += send(producer, *(f"after {i}" for i in range(10)))
    assert sorted_keys(take(topic.consumer("group"), 40)) == sorted(keys)
    assert producer.close(PATIENT) == 0
    assert producer.losses() == Losses()


@pytest.mark.integration
def test_a_consumer_says_that_the_broker_is_gone_and_goes_on_when_it_is_back(
    topic: KafkaTopic, kafka: KafkaServer
) -> None:
    producer, consumer = topic.producer(), topic.consumer("group")
    send(producer, "before")
    consumer.commit(finished(take(consumer, 1)))
    assert consumer.lag() == 0
    kafka.kill()
    try:
        eventually(lambda: outage_of(consumer), 60, what="the consumer says so")
        send(producer, "meanwhile")
    finally:
        kafka.start()

    eventually(lambda: not outage_of(consumer), 60, what="the consumer goes on")
    assert sorted_keys(take(consumer, 1)) == [b"meanwhile"]
    assert consumer.lag() == 1


@pytest.mark.integration
def test_a_consumer_and_a_producer_end_in_an_outage(
    topic: KafkaTopic, kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embark.topic.kafka.consumer._CLOSE_SECONDS", 1.0)
    producer, consumer = topic.producer(), topic.consumer("group")
    send(producer, "a")
    records = take(consumer, 1)
    kafka.suspend()
    try:
        send(producer, "b")
        consumer.commit(finished(records))
        assert producer.close(timedelta(milliseconds=100)) == 1
        with pytest.raises(UnavailableError, match="took too long"):
            consumer.close()
    finally:
        kafka.resume()
