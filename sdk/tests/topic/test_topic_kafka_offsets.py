"""Reading the commits of a group from brokers that are not coordinators yet."""

import time
from collections.abc import Sequence
from typing import cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from embark.topic.kafka.errors import unwrap
from embark.topic.kafka.offsets import read_commits


class _FakeCoordinator:
    """A client whose broker gives these replies in turn: the code of an error, or commits."""

    def __init__(self, *replies: int | dict[int, int]) -> None:
        self.replies = list(replies)

    def committed(self, partitions: Sequence[TopicPartition], seconds: float) -> list[TopicPartition]:
        assert seconds > 0
        reply = self.replies.pop(0)
        if isinstance(reply, int):
            raise KafkaException(KafkaError(reply))
        return [TopicPartition(one.topic, one.partition, reply.get(one.partition, -1001)) for one in partitions]


def _read(coordinator: _FakeCoordinator, seconds: float = 60) -> dict[int, int]:
    return read_commits(cast("Consumer", coordinator), "fills", [0, 1], time.monotonic() + seconds)


@pytest.mark.parametrize(
    "code", [KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.COORDINATOR_NOT_AVAILABLE]
)
def test_a_request_to_a_broker_that_is_not_a_coordinator_yet_is_retried(code: int) -> None:
    assert _read(_FakeCoordinator(code, code, {0: 7, 1: 0})) == {0: 7, 1: 0}


def test_a_partition_without_a_commit_is_left_out() -> None:
    assert _read(_FakeCoordinator({1: 3})) == {1: 3}


def test_a_permanent_error_is_not_retried() -> None:
    coordinator = _FakeCoordinator(KafkaError.GROUP_AUTHORIZATION_FAILED, {})
    with pytest.raises(KafkaException):
        _read(coordinator)
    assert coordinator.replies == [{}]


def test_a_coordinator_that_is_missing_until_the_deadline_is_reported() -> None:
    with pytest.raises(KafkaException) as raised:
        _read(_FakeCoordinator(KafkaError.NOT_COORDINATOR, {}), seconds=0)
    assert unwrap(raised.value).code() == KafkaError.NOT_COORDINATOR
