"""How far a consumer group is behind, as the brokers count; the Kafka consumers of a topic share it."""

import threading
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # exported, and not said so

from embark.topic.kafka.cluster import KafkaCluster, partitions_of
from embark.topic.kafka.commits import open_outsider, read_commits

_PATIENCE: Final = timedelta(seconds=3)


class KafkaOffsets:
    """Thread-safe; opens its clients at the first question."""

    def __init__(self, cluster: KafkaCluster, topic: str) -> None:
        self._cluster: Final = cluster
        self._topic: Final = topic
        self._lock: Final = threading.Lock()
        self._admin: AdminClient | None = None
        self._outsiders: dict[str, Consumer] = {}

    def lag(self, group: str, kept: Mapping[int, int]) -> int:
        """Return how many records are neither committed by `group` nor, as `kept` says, about to be.

        Raises:
            UnavailableError: the brokers do not answer in time.
        """
        try:
            partitions = self._partitions()
            begins = self._list(partitions, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
            ends = self._list(partitions, OffsetSpec.latest())  # type: ignore[no-untyped-call]
            commits = self._commits(group, list(begins))
        except KafkaException as error:
            unavailable = self._cluster.unavailable(f"the lag of {group} is not known", error, self._client())
            # The next question begins with new clients, which ask the addresses of the spec again.
            self.close()
            raise unavailable from error
        positions = {number: max(begins[number], commits.get(number, -1), kept.get(number, -1)) for number in begins}
        return sum(max(0, ends[number] - position) for number, position in positions.items())

    def close(self) -> None:
        """Let go of the clients; a question under way keeps its own until it is answered."""
        with self._lock:
            self._admin = None
            self._outsiders = {}

    def _client(self) -> AdminClient:
        with self._lock:
            if self._admin is None:
                self._admin = self._cluster.open_admin()
            # Serves librdkafka's log, which would wait for ever otherwise.
            self._admin.poll(0)
            return self._admin

    def _partitions(self) -> list[TopicPartition]:
        numbers = partitions_of(self._client(), self._topic, _PATIENCE.total_seconds())
        return [TopicPartition(self._topic, number) for number in numbers]

    def _list(self, partitions: Sequence[TopicPartition], spec: OffsetSpec) -> dict[int, int]:
        asked = self._client().list_offsets(dict.fromkeys(partitions, spec), request_timeout=_PATIENCE.total_seconds())
        return {partition.partition: answer.result().offset for partition, answer in asked.items()}

    def _commits(self, group: str, numbers: Sequence[int]) -> dict[int, int]:
        client = self._outsider(group)
        return read_commits(client, self._topic, numbers, time.monotonic() + _PATIENCE.total_seconds())

    def _outsider(self, group: str) -> Consumer:
        with self._lock:
            if group not in self._outsiders:
                self._outsiders[group] = open_outsider(self._cluster, group)
            # Serves librdkafka's log, as above; one that never joins gets no record.
            self._outsiders[group].poll(0)
            return self._outsiders[group]
