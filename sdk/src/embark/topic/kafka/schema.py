"""Makes the topics of a cache, and grows them; the schema command calls it, and no service ever does."""

import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported, and not said so
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)
from confluent_kafka.cimpl import NewPartitions, NewTopic

from embark.errors import UnavailableError
from embark.settings import TopicSettings
from embark.topic.kafka.cluster import KafkaCluster, error_of
from embark.topic.kafka.options import COMPRESSION, KafkaAccess

T = TypeVar("T")
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
    changes: tuple[str, ...] = ()
    """What of its configuration was set anew, and from which value; for people."""
    differences: tuple[str, ...] = ()
    """What is not as the cache says, and cannot be changed without moving records; for people."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    name: str
    partitions: int
    replicas: int
    retention: timedelta

    def config(self, replicas: int) -> dict[str, str]:
        """Return the configuration of a topic that has so many replicas, whatever the cache says of them."""
        return {
            "cleanup.policy": "delete",
            "retention.ms": str(self.retention // timedelta(milliseconds=1)),
            "compression.type": COMPRESSION,
            "min.insync.replicas": "2" if replicas >= _REPLICAS_FOR_A_QUORUM else "1",
        }

    def new(self) -> NewTopic:
        return NewTopic(self.name, self.partitions, self.replicas, config=self.config(self.replicas))


def ensure_topics(
    settings: TopicSettings, access: KafkaAccess | None = None, *, patience: timedelta = _PATIENCE
) -> Sequence[TopicState]:
    """Make the fills topic and the dead-letters topic, or make those that are there as they would be made.

    Missing partitions are added; retention, compression, clean-up and min.insync.replicas are set where they differ.
    The number of replicas stays: changing it moves records. May be called again, and by several at once.

    Raises:
        UnavailableError: the brokers do not answer within `patience`, or refuse (too few brokers for the replicas).
        InvalidSpecError: see KafkaTopic.
    """
    kafka = settings.kafka
    cluster = KafkaCluster(kafka, access, client_id="embark-schema")
    admin = cluster.open_admin()
    wanted = (
        _Wanted(settings.fills, kafka.partitions, kafka.replication_factor, FILLS_RETENTION),
        # One partition keeps them in order; they are few.
        _Wanted(settings.dead_letters, 1, kafka.replication_factor, DEAD_LETTERS_RETENTION),
    )
    deadline = time.monotonic() + patience.total_seconds()
    return [_Ensuring(cluster, admin, topic, deadline).run() for topic in wanted]


@dataclass(frozen=True, slots=True)
class _Found:
    partitions: int
    replicas: int


class _Ensuring:
    """One topic, until `deadline` on the monotonic clock."""

    def __init__(self, cluster: KafkaCluster, admin: AdminClient, wanted: _Wanted, deadline: float) -> None:
        self._cluster: Final = cluster
        self._admin: Final = admin
        self._wanted: Final = wanted
        self._deadline: Final = deadline
        self._log: Final = logging.getLogger(__name__)

    def run(self) -> TopicState:
        """Make the topic, or grow and configure it, and wait until the brokers know it in that size."""
        wanted, grown_from = self._wanted, 0
        changes: tuple[str, ...] = ()
        found = self._find()
        created = found is None
        if found is None:
            self._finish(self._admin.create_topics([wanted.new()])[wanted.name])
        else:
            if found.partitions < wanted.partitions:
                grown_from = found.partitions
                more = NewPartitions(wanted.name, wanted.partitions)
                self._finish(self._admin.create_partitions([more])[wanted.name])
            changes = self._configure(wanted.config(found.replicas))
        return TopicState(wanted.name, created, grown_from, changes, _differences(wanted, self._await_size()))

    def _configure(self, config: Mapping[str, str]) -> tuple[str, ...]:
        """Set what differs, and nothing else: what somebody has set of the rest stays."""
        topic = ConfigResource(ResourceType.TOPIC, self._wanted.name)
        try:
            present = self._answer(self._admin.describe_configs([topic])[topic])
            differing = {name: value for name, value in config.items() if present[name].value != value}
            if differing:
                topic = ConfigResource(ResourceType.TOPIC, self._wanted.name, incremental_configs=_settings(differing))
                self._answer(self._admin.incremental_alter_configs([topic])[topic])
        except KafkaException as error:
            raise self._unavailable(error) from error
        changes = tuple(f"{name} is {value}, and was {present[name].value}" for name, value in differing.items())
        for change in changes:
            self._log.info("topic %s: %s", self._wanted.name, change, extra={"topic": self._wanted.name})
        return changes

    def _find(self) -> _Found | None:
        try:
            found = self._admin.list_topics(timeout=self._left()).topics.get(self._wanted.name)
        except KafkaException as error:
            raise self._unavailable(error) from error
        if found is None or found.error is not None:
            return None
        replicas = min(len(partition.replicas) for partition in found.partitions.values())
        return _Found(len(found.partitions), replicas)

    def _finish(self, change: Future[None]) -> None:
        """Wait for a change, which another may have made already."""
        try:
            self._answer(change)
        except KafkaException as error:
            if error_of(error).code() not in _DONE_BY_ANOTHER:
                raise self._unavailable(error) from error

    def _answer(self, asked: Future[T]) -> T:
        """Return what the brokers answer; raises their KafkaException too."""
        try:
            return asked.result(self._left())
        except TimeoutError as error:
            raise UnavailableError("topic", f"{self._wanted.name}: no answer in time") from error

    def _unavailable(self, error: KafkaException) -> UnavailableError:
        return self._cluster.unavailable(self._wanted.name, error, self._admin)

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


def _settings(config: Mapping[str, str]) -> list[ConfigEntry]:
    return [ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in config.items()]


def _differences(wanted: _Wanted, found: _Found) -> tuple[str, ...]:
    differences = []
    if found.partitions > wanted.partitions:
        differences.append(f"{found.partitions} partitions, and the cache says {wanted.partitions}")
    if found.replicas != wanted.replicas:
        differences.append(f"{found.replicas} replicas, and the cache says {wanted.replicas}")
    return tuple(differences)
