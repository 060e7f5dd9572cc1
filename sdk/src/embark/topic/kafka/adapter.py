"""The topic on Kafka; `schema` creates its topics."""

import logging
import threading

from embark.errors import ClosedError, UnavailableError
from embark.settings import TopicSettings
from embark.topic.kafka.cluster import KafkaCluster
from embark.topic.kafka.consumer import KafkaConsumer
from embark.topic.kafka.dead_letters import KafkaDeadLetters
from embark.topic.kafka.limits import DEFAULT_LIMITS, KafkaLimits
from embark.topic.kafka.offsets import KafkaOffsets
from embark.topic.kafka.options import KafkaAccess
from embark.topic.kafka.producer import KafkaProducer

__all__ = ["KafkaAccess", "KafkaTopic"]


class KafkaTopic:
    """A FillTopic on the brokers of `settings`; thread-safe. Its producers and consumers connect, not the topic itself.

    A producer holds up to `capacity` records that no broker has acknowledged.

    Raises:
        InvalidSpecError: the settings do not match the contents of the Secrets.
    """

    def __init__(
        self,
        settings: TopicSettings,
        access: KafkaAccess | None = None,
        *,
        capacity: int = 100_000,
        client_id: str = "embark",
        limits: KafkaLimits = DEFAULT_LIMITS,
    ) -> None:
        self._cluster = KafkaCluster(settings.kafka, access, client_id=client_id)
        self._name = settings.fills
        self._capacity = capacity
        self._limits = limits
        self._log = logging.getLogger(__name__)
        self._offsets = KafkaOffsets(self._cluster, settings.fills, limits.offsets)
        self._dead_letters = KafkaDeadLetters(self._cluster, settings.dead_letters, limits)
        self._lock = threading.Lock()  # guards the next three
        self._producers: list[KafkaProducer] = []
        self._consumers: list[KafkaConsumer] = []
        self._closed = False

    def producer(self) -> KafkaProducer:
        """Return a new producer with its own queue and threads."""
        with self._lock:
            self._check_open()
            producer = KafkaProducer(self._cluster, self._name, capacity=self._capacity)
            self._producers.append(producer)
            return producer

    def consumer(self, group: str) -> KafkaConsumer:
        """Return a new member of `group`, which joins at its first poll."""
        with self._lock:
            self._check_open()
            consumer = KafkaConsumer(self._cluster, self._name, group, self._offsets, self._limits)
            self._consumers.append(consumer)
            return consumer

    def dead_letters(self) -> KafkaDeadLetters:
        """Return the dead letters."""
        return self._dead_letters

    def close(self) -> None:
        """Close what is still open; no other thread may use it any longer."""
        with self._lock:
            self._closed = True
            producers, self._producers = self._producers, []
            consumers, self._consumers = self._consumers, []
        for producer in producers:
            producer.close(self._limits.producer_close)
        for consumer in consumers:
            try:
                consumer.close()
            except UnavailableError as error:
                self._log.warning("%s", error)
        self._dead_letters.close()
        self._offsets.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError(f"the topic {self._name} is closed")
