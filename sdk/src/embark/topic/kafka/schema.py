"""Creates the topics of a cache and adds partitions to them; only for the schema command."""

import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # exported, but not in its types
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from embark.errors import UnavailableError
from embark.settings import TopicSettings
from embark.topic.kafka.cluster import KafkaCluster
from embark.topic.kafka.errors import unwrap
from embark.topic.kafka.options import COMPRESSION, KafkaAccess

T = TypeVar("T")
FILLS_RETENTION: Final = timedelta(days=7)
# People need time to look at them.
DEAD_LETTERS_RETENTION: Final = timedelta(days=30)
_TIMEOUT: Final = timedelta(seconds=30)
_RECHECK_SECONDS: Final = 0.1
# With three or more replicas a write needs two of them, so that the loss of a broker loses no record.
_REPLICAS_FOR_A_QUORUM: Final = 3
_ALREADY_DONE: Final = frozenset({KafkaError.TOPIC_ALREADY_EXISTS, KafkaError.INVALID_PARTITIONS})


@dataclass(frozen=True, slots=True)
class TopicState:
    """What ensure_topics found and changed."""

    name: str
    created: bool = False
    grown_from: int = 0
    """The number of partitions before some were added; 0 if none were."""
    changes: tuple[str, ...] = ()
    """The changed settings with their old and new values, for people."""
    differences: tuple[str, ...] = ()
    """The differences from the cache that cannot be changed without moving records, for people."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    name: str
    partitions: int
    replicas: int
    retention: timedelta

    def config(self, replicas: int) -> dict[str, str]:
        """Return the configuration of a topic that has `replicas`, which may differ from the cache."""
        return {
            "cleanup.policy": "delete",
            "retention.ms": str(self.retention // timedelta(milliseconds=1)),
            "compression.type": COMPRESSION,
            "min.insync.replicas": "2" if replicas >= _REPLICAS_FOR_A_QUORUM else "1",
        }

    def new(self) -> NewTopic:
        return NewTopic(self.name, self.partitions, self.replicas, config=self.config(self.replicas))


def ensure_topics(
    settings: TopicSettings, access: KafkaAccess | None = None, *, timeout: timedelta = _TIMEOUT
) -> Sequence[TopicState]:
    """Create the fills topic and the dead-letters topic, or update existing ones.

    Missing partitions are added; retention, compression, clean-up and min.insync.replicas are set if they differ. The
    number of replicas stays: changing it moves records. May be called again, and concurrently.

    Raises:
        UnavailableError: the brokers do not answer within `timeout`, or refuse (too few brokers for the replicas).
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
    deadline = time.monotonic() + timeout.total_seconds()
    return [_Ensuring(cluster, admin, topic, deadline).run() for topic in wanted]


@dataclass(frozen=True, slots=True)
class _Found:
    partitions: int
    replicas: int


class _Ensuring:
    """Ensures one topic, until `deadline` in time.monotonic()."""

    def __init__(self, cluster: KafkaCluster, admin: AdminClient, wanted: _Wanted, deadline: float) -> None:
        self._cluster = cluster
        self._admin = admin
        self._wanted = wanted
        self._deadline = deadline
        self._log = logging.getLogger(__name__)

    def run(self) -> TopicState:
        """Create the topic, or add partitions and configure it, and wait until the brokers report all partitions."""
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
        """Change only the settings that differ; settings that EmbArk does not manage stay."""
        topic = ConfigResource(ResourceType.TOPIC, self._wanted.name)
        try:
            present = self._answer(self._admin.describe_configs([topic])[topic])
            differing = {name: value for name, value in config.items() if present[name].value != value}
            if differing:
                topic = ConfigResource(ResourceType.TOPIC, self._wanted.name, incremental_configs=_settings(differing))
                self._answer(self._admin.incremental_alter_configs([topic])[topic])
        except KafkaException as error:
            raise self._unavailable(error) from error
        changes = tuple(f"{name} is {value} (was {present[name].value})" for name, value in differing.items())
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
        """Wait for a change, which another command may have made already."""
        try:
            self._answer(change)
        except KafkaException as error:
            if unwrap(error).code() not in _ALREADY_DONE:
                raise self._unavailable(error) from error

    def _answer(self, future: Future[T]) -> T:
        """Return the brokers' reply; raises their KafkaException too."""
        try:
            return future.result(self._left())
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
                raise UnavailableError("topic", f"{self._wanted.name}: the brokers do not list all partitions yet")
            time.sleep(_RECHECK_SECONDS)

    def _left(self) -> float:
        return max(_RECHECK_SECONDS, self._deadline - time.monotonic())


def _settings(config: Mapping[str, str]) -> list[ConfigEntry]:
    return [ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in config.items()]


def _differences(wanted: _Wanted, found: _Found) -> tuple[str, ...]:
    differences = []
    if found.partitions > wanted.partitions:
        differences.append(f"{found.partitions} partitions, but the cache declares {wanted.partitions}")
    if found.replicas != wanted.replicas:
        differences.append(f"{found.replicas} replicas, but the cache declares {wanted.replicas}")
    return tuple(differences)
