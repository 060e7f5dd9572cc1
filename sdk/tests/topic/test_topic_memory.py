from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from embark.topic import FillTopic
from embark.topic.memory import MemoryTopic
from embark_testing.contracts.records import CAPACITY, PARTITIONS, finished, send, take
from embark_testing.contracts.topic import Jam, TopicContract


@pytest.fixture
def topic() -> Iterator[FillTopic]:
    topic = MemoryTopic(partitions=PARTITIONS, capacity=CAPACITY)
    yield topic
    topic.close()


@pytest.fixture
def jam() -> Jam:
    return nullcontext


class TestMemoryTopic(TopicContract):
    """The contract in memory."""

    @pytest.mark.xfail(strict=True, reason="the embedded topics deliver every record to each consumer of a group")
    def test_two_consumers_of_a_group_share_the_records(self, topic: FillTopic) -> None:
        super().test_two_consumers_of_a_group_share_the_records(topic)


def test_a_late_commit_of_an_earlier_offset_changes_nothing_in_memory(topic: FillTopic) -> None:
    consumer = topic.consumer("group")
    send(topic.producer(), "key", "key", "key")
    records = take(consumer, 3)
    consumer.commit(finished(records))
    consumer.commit(finished(records[:1]))
    assert consumer.lag() == 0


def test_a_record_takes_memory_until_every_group_has_committed_it() -> None:
    topic = MemoryTopic(partitions=PARTITIONS, capacity=3)
    producer, slow, fast = topic.producer(), topic.consumer("slow"), topic.consumer("fast")
    send(producer, "a", "b", "c")
    fast.commit(finished(take(fast, 3)))
    assert not producer.produce(b"d", b"", {})
    slow.commit(finished(take(slow, 3)))
    assert producer.produce(b"d", b"", {})
    assert sum(map(len, topic.held)) == 1
