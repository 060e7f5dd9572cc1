from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from embark.topic import FillConsumer, FillTopic, Losses
from embark.topic.kafka.adapter import KafkaTopic
from embark_testing.contracts.records import CAPACITY, PATIENT, finished, send, take
from embark_testing.contracts.topic import Jam, TopicContract
from embark_testing.deployments.kafka_topics import fresh_topic, settle
from embark_testing.servers.kafka_server import KafkaServer

pytestmark = pytest.mark.integration


@pytest.fixture
def topic(kafka: KafkaServer) -> Iterator[FillTopic]:
    with fresh_topic(kafka.bootstrap) as topic:
        yield topic


@pytest.fixture
def jam(kafka: KafkaServer) -> Jam:
    @contextmanager
    def suspended() -> Iterator[None]:
        kafka.suspend()
        try:
            yield
        finally:
            kafka.resume()

    return suspended


class TestKafkaTopic(TopicContract):
    """The contract on a broker."""

    def settle(self, *consumers: FillConsumer) -> None:
        settle(*consumers)


def test_a_late_commit_of_an_earlier_offset_changes_nothing_on_kafka(topic: FillTopic) -> None:
    consumer = topic.consumer("group")
    send(topic.producer(), "key", "key", "key")
    records = take(consumer, 3)
    consumer.commit(finished(records))
    consumer.commit(finished(records[:1]))
    consumer.close()
    assert topic.consumer("group").lag() == 0


def test_records_shed_by_a_full_queue_are_counted(
    topic: KafkaTopic, jam: Callable[[], AbstractContextManager[None]]
) -> None:
    producer = topic.producer()
    with jam():
        send(producer, *(f"key {i}" for i in range(CAPACITY)))
        assert not any(producer.produce(b"too much", b"", {}) for _ in range(3))
        assert producer.losses() == Losses(shed=3)
    assert producer.close(PATIENT) == 0
    assert producer.losses() == Losses(shed=3)
