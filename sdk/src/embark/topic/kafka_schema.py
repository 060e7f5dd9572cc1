"""Makes the topics of a cache, and grows them; the schema command calls it, and no service ever does."""

import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic

from embark.errors import UnavailableError
from embark.settings import TopicSettings
from embark.topic.kafka_cluster import KafkaCluster, error_of, unavailable
from embark.topic.kafka_options import COMPRESSION, KafkaAccess

FILLS_RETENTION: Final = timedelta(days=7)
# Somebody has to find time for them.
DEAD_LETTERS_RETENTION: Final = timedelta(days=30)
_PATIENCE: Final = timedelta(seconds=30)
_RECHECK_SECONDS: Final = 0.1
# From three replicas on, a write needs two of them: then a broker may be lost, and with it no record.
_REPLICAS_FOR_A_QUORUM: Final = 3
_DONE_BY_ANOTHER: Final = frozenset({KafkaError.TOPIC_ALREADY_EXISTS, KafkaError.INVALID_PARTITIONS})


@dataclass(frozen=True, slots=True)
class TopicState:
    """What ensure_topics found of a topic, and did."""

    name: str
    created: bool = False
    grown_from: int = 0
    """How many partitions it had before, where some were added."""
    differences: tuple[str, ...] = ()
    """What is not as the cache says, and cannot be changed without moving records; for people."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    name: str
    partitions: int
    replicas: int
    retention: timedelta

    def new(self) -> NewTopic:
        config = {
            "cleanup.policy": "delete",
            "retention.ms": str(self.retention // timedelta(milliseconds=1)),
            "compression.type": COMPRESSION,
            "min.insync.replicas": "2" if self.replicas >= _REPLICAS_FOR_A_QUORUM else "1",
        }
        return NewTopic(self.name, self.partitions, self.replicas, config=config)


def ensure_topics(
    settings: TopicSettings, access: KafkaAccess | None = None, *, patience: timedelta = _PATIENCE
) -> Sequence[TopicState]:
    """Make the fills topic and the dead-letters topic where they are missing, and add missing partitions.

    May be called again, and by several at once. A topic that exists keeps its configuration: somebody may have set it.

    Raises:
        UnavailableError: the brokers do not answer within `patience`, or refuse (too few brokers for the replicas).
        InvalidSpecError: see KafkaTopic.
    """
    kafka = settings.kafka
    admin = KafkaCluster(kafka, access, client_id="embark-schema").open_admin()
    wanted = (
        _Wanted(settings.fills, kafka.partitions, kafka.replication_factor, FILLS_RETENTION),
        # One partition keeps them in order; they are few.
        _Wanted(settings.dead_letters, 1, kafka.replication_factor, DEAD_LETTERS_RETENTION),
    )
    deadline = time.monotonic() + patience.total_seconds()
    return [_Ensuring(admin, topic, deadline).run() for topic in wanted]


@dataclass(frozen=True, slots=True)
class _Found:
    partitions: int
    replicas: int


class _Ensuring:
    """One topic, until `deadline` on the monotonic clock."""

    def __init__(self, admin: AdminClient, wanted: _Wanted, deadline: float) -> None:
        self._admin: Final = admin
        self._wanted: Final = wanted
        self._deadline: Final = deadline

    def run(self) -> TopicState:
        """Make the topic or grow it, and wait until the brokers know it in that size."""
        wanted, grown_from = self._wanted, 0
        found = self._find()
        created = found is None
        if found is None:
            self._finish(self._admin.create_topics([wanted.new()])[wanted.name])
        elif found.partitions < wanted.partitions:
            grown_from = found.partitions
            more = NewPartitions(wanted.name, wanted.partitions)
            self._finish(self._admin.create_partitions([more])[wanted.name])
        return TopicState(wanted.name, created, grown_from, _differences(wanted, self._await_size()))

    def _find(self) -> _Found | None:
        try:
            found = self._admin.list_topics(timeout=self._left()).topics.get(self._wanted.name)
        except KafkaException as error:
            raise unavailable(self._wanted.name, error) from error
        if found is None or found.error is not None:
            return None
        replicas = min(len(partition.replicas) for partition in found.partitions.values())
        return _Found(len(found.partitions), replicas)

    def _finish(self, change: Future[None]) -> None:
        try:
            change.result(self._left())
        except KafkaException as error:
            if error_of(error).code() not in _DONE_BY_ANOTHER:
                raise unavailable(self._wanted.name, error) from error
        except TimeoutError as error:
            raise UnavailableError("topic", f"{self._wanted.name}: no answer in time") from error

    def _await_size(self) -> _Found:
        while True:
            found = self._find()
            if found is not None and found.partitions >= self._wanted.partitions:
                return found
            if self._left() <= _RECHECK_SECONDS:
                raise UnavailableError("topic", f"{self._wanted.name}: the brokers do not know it yet")
            time.sleep(_RECHECK_SECONDS)

    def _left(self) -> float:
        return max(_RECHECK_SECONDS, self._deadline - time.monotonic())


def _differences(wanted: _Wanted, found: _Found) -> tuple[str, ...]:
    differences = []
    if found.partitions > wanted.partitions:
        differences.append(f"{found.partitions} partitions, and the cache says {wanted.partitions}")
    if found.replicas != wanted.replicas:
        differences.append(f"{found.replicas} replicas, and the cache says {wanted.replicas}")
    return tuple(differences)
