"""A broker that dies, stays down or comes back; tests without a broker run everywhere."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from confluent_kafka import KafkaError

from embark.errors import UnavailableError
from embark.topic import Losses
from embark.topic.kafka.adapter import KafkaTopic
from embark.topic.kafka.client_internals import FATAL
from embark.topic.kafka.cluster import KafkaCluster
from embark.topic.kafka.consumer import KafkaConsumer
from embark.topic.kafka.limits import KafkaLimits
from embark.topic.kafka.producer import KafkaProducer
from embark.topic.kafka.schema import ensure_topics
from embark_testing.contracts.records import BRIEF, NO_TIME, PATIENT, finished, send, sorted_keys, take
from embark_testing.deployments.kafka_topics import fresh_topic, topic_settings
from embark_testing.eventually import eventually
from embark_testing.servers.kafka_server import KafkaServer

# Nothing listens there: the port is reserved, and only root may bind it.
NO_BROKER = "127.0.0.1:1"


@pytest.fixture
def topic(kafka: KafkaServer) -> Iterator[KafkaTopic]:
    with fresh_topic(kafka.bootstrap) as topic:
        yield topic


@pytest.fixture
def unreachable() -> Iterator[KafkaTopic]:
    """A topic on brokers that do not exist."""
    soon = timedelta(milliseconds=100)
    limits = KafkaLimits(
        first_probe=soon, probe=soon, offsets=soon, dead_letters=soon, dead_letter_report=timedelta(seconds=5)
    )
    topic = KafkaTopic(topic_settings(NO_BROKER), capacity=10, limits=limits)
    yield topic
    topic.close()


def poll_error(consumer: KafkaConsumer) -> str:
    """Return the error of a poll while paused, or nothing if it is answered."""
    consumer.pause(True)  # noqa: FBT003 - as the protocol
    try:
        consumer.poll(1, BRIEF)
    except UnavailableError as error:
        return str(error)
    else:
        return ""
    finally:
        consumer.pause(False)  # noqa: FBT003 - as the protocol


def test_without_a_broker_a_producer_fills_its_queue_and_sheds_the_rest(unreachable: KafkaTopic) -> None:
    producer = unreachable.producer()
    assert [producer.produce(b"key", b"value", {"traceparent": b"00"}) for _ in range(12)] == [True] * 10 + [False] * 2
    # Undelivered reports of librdkafka count as well.
    eventually(lambda: producer.pending() == 10, what="ten are accepted")
    assert producer.losses() == Losses(shed=2)
    assert producer.close(NO_TIME) == 10
    assert (producer.pending(), producer.losses()) == (0, Losses(shed=2, dropped=10))
    assert not producer.produce(b"late", b"", {})


def test_a_record_that_waits_too_long_is_dropped_and_makes_room() -> None:
    cluster = KafkaCluster(topic_settings(NO_BROKER).kafka, None, client_id="test")
    producer = KafkaProducer(cluster, "fills", capacity=10, max_age=timedelta(milliseconds=100))
    send(producer, *(f"key {i}" for i in range(10)))
    eventually(lambda: producer.losses().dropped == 10, what="all are dropped")
    assert producer.produce(b"key", b"", {})
    producer.close(NO_TIME)


def test_a_record_that_can_never_be_delivered_is_refused(unreachable: KafkaTopic) -> None:
    producer = unreachable.producer()
    assert not producer.produce(b"key", bytes(2_000_000), {})
    assert producer.produce(b"key", b"", {})
    assert producer.losses() == Losses(refused=1)


def test_a_producer_is_reopened_after_a_fatal_error(unreachable: KafkaTopic) -> None:
    producer = unreachable.producer()
    send(producer, "a", "b")
    producer._failed(KafkaError(FATAL, "refused", fatal=True))
    eventually(lambda: producer.losses().dropped == 2, what="the records of the first client are dropped")
    send(producer, "c")
    eventually(lambda: producer.pending() == 1, what="the new client holds the later record")


def test_without_a_broker_every_call_is_unavailable(unreachable: KafkaTopic) -> None:
    consumer, letters = unreachable.consumer("group"), unreachable.dead_letters()
    with pytest.raises(UnavailableError, match="topic: "):
        consumer.poll(1, NO_TIME)
    with pytest.raises(UnavailableError, match="cannot read the lag of group"):
        consumer.lag()
    with pytest.raises(UnavailableError, match="dead-letters: "):
        letters.append(b"key", b"value")
    with pytest.raises(UnavailableError, match="dead-letters: "):
        letters.read()
    with pytest.raises(UnavailableError, match="fills: "):
        ensure_topics(topic_settings(NO_BROKER), timeout=timedelta(milliseconds=100))


@pytest.mark.integration
def test_a_missing_topic_is_named(kafka: KafkaServer) -> None:
    settings = topic_settings(kafka.bootstrap)
    topic = KafkaTopic(settings)
    with pytest.raises(UnavailableError, match=rf"there is no {settings.fills}; the schema command"):
        topic.consumer("group").poll(1, PATIENT)
    topic.close()


@pytest.mark.integration
def test_accepted_records_are_delivered_once_the_killed_broker_is_back(topic: KafkaTopic, kafka: KafkaServer) -> None:
    producer = topic.producer()
    keys = send(producer, *(f"before {i}" for i in range(10)))
    kafka.kill()
    try:
        keys += send(producer, *(f"during {i}" for i in range(20)))
    finally:
        kafka.start()
    keys += send(producer, *(f"after {i}" for i in range(10)))
    assert sorted_keys(take(topic.consumer("group"), 40)) == sorted(keys)
    assert producer.close(PATIENT) == 0
    assert producer.losses() == Losses()


@pytest.mark.integration
def test_a_consumer_reports_an_outage_and_continues_when_the_broker_is_back(
    topic: KafkaTopic, kafka: KafkaServer
) -> None:
    producer, consumer = topic.producer(), topic.consumer("group")
    send(producer, "before")
    consumer.commit(finished(take(consumer, 1)))
    assert consumer.lag() == 0
    kafka.kill()
    try:
        eventually(lambda: poll_error(consumer), 60, what="the consumer reports it")
        send(producer, "during")
    finally:
        kafka.start()

    eventually(lambda: not poll_error(consumer), 60, what="the consumer continues")
    assert sorted_keys(take(consumer, 1)) == [b"during"]
    assert consumer.lag() == 1


@pytest.mark.integration
def test_a_consumer_and_a_producer_close_during_an_outage(kafka: KafkaServer) -> None:
    settings = topic_settings(kafka.bootstrap)
    ensure_topics(settings)
    topic = KafkaTopic(settings, limits=KafkaLimits(consumer_close=timedelta(seconds=1)))
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
        topic.close()
