"""The offsets of a topic and its consumer groups, read from outside the groups.

They are read by a consumer that never joins, not by an admin client: librdkafka 2.16's admin client dereferences a null
pointer and kills the process when the broker is not a coordinator yet (librdkafka issue 5040).
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # exported, but not in its types

from embark.topic.kafka import client_internals
from embark.topic.kafka.cluster import KafkaCluster, list_partitions
from embark.topic.kafka.errors import unwrap
from embark.topic.kafka.limits import DEFAULT_LIMITS
from embark.topic.kafka.options import observer_options

T = TypeVar("T")
_RETRY_SECONDS: Final = 0.2
# While a coordinator moves, or the first group is created, or a connection breaks; the request may be repeated.
TRANSIENT: Final = frozenset(
    {
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.NOT_COORDINATOR,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        client_internals.TRANSPORT,
    }
)


class KafkaOffsets:
    """The lag of consumer groups; thread-safe. Opens its clients at the first call."""

    def __init__(self, cluster: KafkaCluster, topic: str, timeout: timedelta = DEFAULT_LIMITS.offsets) -> None:
        self._cluster = cluster
        self._topic = topic
        self._seconds = timeout.total_seconds()
        self._lock = threading.Lock()
        self._admin: AdminClient | None = None
        self._observers: dict[str, Consumer] = {}

    def lag(self, group: str, stored: Mapping[int, int]) -> int:
        """Return how many records `group` has not committed, and will not commit by the offsets in `stored`.

        Raises:
            UnavailableError: the brokers do not answer in time.
        """
        try:
            partitions = self._list_partitions()
            first = self._list(partitions, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
            ends = self._list(partitions, OffsetSpec.latest())  # type: ignore[no-untyped-call]
            commits = self._commits(group, list(first))
        except KafkaException as error:
            unavailable = self._cluster.unavailable(f"cannot read the lag of {group}", error, self._client())
            # The next call opens new clients, which connect to the addresses of the spec again.
            self.close()
            raise unavailable from error
        positions = {number: max(first[number], commits.get(number, -1), stored.get(number, -1)) for number in first}
        return sum(max(0, ends[number] - position) for number, position in positions.items())

    def close(self) -> None:
        """Release the clients; a call in flight keeps its own until it is answered."""
        with self._lock:
            self._admin = None
            self._observers = {}

    def _client(self) -> AdminClient:
        with self._lock:
            if self._admin is None:
                self._admin = self._cluster.open_admin()
            # Delivers librdkafka's log, which would otherwise never be delivered.
            self._admin.poll(0)
            return self._admin

    def _list_partitions(self) -> list[TopicPartition]:
        numbers = list_partitions(self._client(), self._topic, self._seconds)
        return [TopicPartition(self._topic, number) for number in numbers]

    def _list(self, partitions: Sequence[TopicPartition], spec: OffsetSpec) -> dict[int, int]:
        futures = self._client().list_offsets(dict.fromkeys(partitions, spec), request_timeout=self._seconds)
        return {partition.partition: future.result().offset for partition, future in futures.items()}

    def _commits(self, group: str, numbers: Sequence[int]) -> dict[int, int]:
        client = self._observer(group)
        return read_commits(client, self._topic, numbers, time.monotonic() + self._seconds)

    def _observer(self, group: str) -> Consumer:
        with self._lock:
            if group not in self._observers:
                self._observers[group] = open_observer(self._cluster, group)
            # Delivers librdkafka's log, as above; a client that never joins gets no record.
            self._observers[group].poll(0)
            return self._observers[group]


def open_observer(cluster: KafkaCluster, group: str) -> Consumer:
    """Return a client that reads and commits for a group of either protocol without being a member."""
    return cluster.open_consumer(observer_options(group), lambda _: None)


def read_commits(client: Consumer, topic: str, numbers: Sequence[int], deadline: float) -> dict[int, int]:
    """Return the offsets that the group of `client` has committed, by partition, without partitions that have none.

    Raises:
        KafkaException: the brokers do not answer before `deadline`, in time.monotonic(), or refuse.
    """
    partitions = [TopicPartition(topic, number) for number in numbers]
    found = retry_transient(lambda seconds: client.committed(partitions, seconds), deadline)
    for partition in found:
        if partition.error is not None:
            raise KafkaException(partition.error)
    return {partition.partition: partition.offset for partition in found if partition.offset >= 0}


def retry_transient(call: Callable[[float], T], deadline: float, transient: frozenset[int] = TRANSIENT) -> T:
    """Return the result of `call`, retried until `deadline` while it fails with one of the `transient` codes.

    `call` gets the seconds that are left before `deadline`, in time.monotonic(); any other KafkaException is raised.
    """
    while True:
        left = max(_RETRY_SECONDS, deadline - time.monotonic())
        try:
            return call(left)
        except KafkaException as error:
            if unwrap(error).code() not in transient or left <= _RETRY_SECONDS:
                raise
        time.sleep(_RETRY_SECONDS)
