"""What a consumer group has committed, asked and written from outside it; the lag and the commands of a rollout use it.

By a consumer that never joins, not by an admin client: librdkafka 2.16's asks for commits with a null pointer in hand,
and ends the process when the broker is no coordinator yet (librdkafka issue 5040).
"""

import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from embark.topic.kafka.cluster import KafkaCluster, error_of
from embark.topic.kafka.options import Options

T = TypeVar("T")
_RECHECK_SECONDS: Final = 0.2
# While a coordinator moves, or the first group ever is made, or a connection broke; what is asked may be repeated.
PASSING: Final = frozenset(
    {
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.NOT_COORDINATOR,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError._TRANSPORT,  # noqa: SLF001 - librdkafka's own codes are named so
    }
)


def open_outsider(cluster: KafkaCluster, group: str) -> Consumer:
    """Return a client that reads and commits for a group without being a member, whatever the group's protocol is."""
    return cluster.open_consumer(_outsider_options(group), lambda _: None)


def read_commits(client: Consumer, topic: str, numbers: Sequence[int], deadline: float) -> dict[int, int]:
    """Return the offsets that the group of `client` has committed, by partition; those without a commit are left out.

    Raises:
        KafkaException: the brokers do not answer until `deadline`, of time.monotonic(), or refuse.
    """
    asked = [TopicPartition(topic, number) for number in numbers]
    found = ask_again(lambda seconds: client.committed(asked, seconds), deadline)
    for partition in found:
        if partition.error is not None:
            raise KafkaException(partition.error)
    return {partition.partition: partition.offset for partition in found if partition.offset >= 0}


def ask_again(ask: Callable[[float], T], deadline: float, passing: frozenset[int] = PASSING) -> T:
    """Return the brokers' answer, asked for again while it is one that will pass; raises their KafkaException.

    `ask` is given the seconds that are left until `deadline`, of time.monotonic().
    """
    while True:
        left = max(_RECHECK_SECONDS, deadline - time.monotonic())
        try:
            return ask(left)
        except KafkaException as error:
            if error_of(error).code() not in passing or left <= _RECHECK_SECONDS:
                raise
        time.sleep(_RECHECK_SECONDS)


def _outsider_options(group: str) -> Options:
    return {
        "group.id": group,
        "group.protocol": "classic",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
    }
