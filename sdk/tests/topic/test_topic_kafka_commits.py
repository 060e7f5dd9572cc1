"""What a group has committed, asked of brokers that are no coordinators yet."""

import time
from collections.abc import Sequence
from typing import cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from embark.topic.kafka.cluster import error_of
from embark.topic.kafka.commits import read_commits


class _Coordinator:
    """Answers as a client does whose broker gives one answer after the other: an error's code, or commits."""

    def __init__(self, *answers: int | dict[int, int]) -> None:
        self.answers = list(answers)

    def committed(self, asked: Sequence[TopicPartition], seconds: float) -> list[TopicPartition]:
        assert seconds > 0
        answer = self.answers.pop(0)
        if isinstance(answer, int):
            raise KafkaException(KafkaError(answer))
        return [TopicPartition(one.topic, one.partition, answer.get(one.partition, -1001)) for one in asked]


def _read(coordinator: _Coordinator, seconds: float = 60) -> dict[int, int]:
    return read_commits(cast("Consumer", coordinator), "fills", [0, 1], time.monotonic() + seconds)


@pytest.mark.parametrize(
    "code", [KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.COORDINATOR_NOT_AVAILABLE]
)
def test_a_broker_that_is_no_coordinator_yet_is_asked_again(code: int) -> None:
    assert _read(_Coordinator(code, code, {0: 7, 1: 0})) == {0: 7, 1: 0}


def test_a_partition_without_a_commit_is_left_out() -> None:
    assert _read(_Coordinator({1: 3})) == {1: 3}


def test_an_answer_that_does_not_pass_is_not_asked_for_again() -> None:
    coordinator = _Coordinator(KafkaError.GROUP_AUTHORIZATION_FAILED, {})
    with pytest.raises(KafkaException):
        _read(coordinator)
    assert coordinator.answers == [{}]


def test_a_coordinator_that_is_away_for_longer_than_the_deadline_is_told() -> None:
    with pytest.raises(KafkaException) as raised:
        _read(_Coordinator(KafkaError.NOT_COORDINATOR, {}), seconds=0)
    assert error_of(raised.value).code() == KafkaError.NOT_COORDINATOR
