"""The topic on Kafka, as EmbArk and KFC open it; the topics themselves are made by kafka_schema."""

import logging
import threading
from datetime import timedelta
from typing import Final

from embark.errors import ClosedError, UnavailableError
from embark.settings import TopicSettings
from embark.topic.kafka.cluster import KafkaCluster, OnStats
from embark.topic.kafka.consumer import KafkaConsumer
from embark.topic.kafka.dead_letters import KafkaDeadLetters
from embark.topic.kafka.lag import KafkaOffsets
from embark.topic.kafka.options import KafkaAccess
from embark.topic.kafka.producer import KafkaProducer

__all__ = ["KafkaAccess", "KafkaTopic"]

# What close() gives a producer that its owner left open.
_LEFT_OPEN: Final = timedelta(seconds=1)


class KafkaTopic:
    """A Topic on the brokers of `settings`; thread-safe. Making it connects to nothing.

    A producer holds up to `capacity` records that no broker has acknowledged.

    Raises:
        InvalidSpecError: the settings and what is given of the Secrets do not go together.
    """

    def __init__(
        self,
        settings: TopicSettings,
        access: KafkaAccess | None = None,
        *,
        capacity: int = 100_000,
        client_id: str = "embark",
        on_stats: OnStats | None = None,
    ) -> None:
        self._cluster: Final = KafkaCluster(settings.kafka, access, client_id=client_id, on_stats=on_stats)
        self._name: Final = settings.fills
        self._capacity: Final = capacity
        self._log: Final = logging.getLogger(__name__)
        self._offsets: Final = KafkaOffsets(self._cluster, settings.fills)
        self._dead_letters: Final = KafkaDeadLetters(self._cluster, settings.dead_letters)
        self._lock: Final = threading.Lock()  # guards the next three
        self._producers: list[KafkaProducer] = []
        self._consumers: list[KafkaConsumer] = []
        self._closed = False

    def producer(self) -> KafkaProducer:
        """Return a new producer, with a queue and threads of its own."""
        with self._lock:
            self._check_open()
            producer = KafkaProducer(self._cluster, self._name, capacity=self._capacity)
            self._producers.append(producer)
            return producer

    def consumer(self, group: str) -> KafkaConsumer:
        """Return a new member of `group`; it joins as it is polled."""
        with self._lock:
            self._check_open()
            consumer = KafkaConsumer(self._cluster, self._name, group, self._offsets)
            self._consumers.append(consumer)
            return consumer

    def dead_letters(self) -> KafkaDeadLetters:
        """Return the dead letters."""
        return self._dead_letters

    def close(self) -> None:
        """Close what is still open; the threads that used it must have ended."""
        with self._lock:
            self._closed = True
            producers, self._producers = self._producers, []
            consumers, self._consumers = self._consumers, []
        for producer in producers:
            producer.close(_LEFT_OPEN)
        for consumer in consumers:
            try:
                consumer.close()
            except UnavailableError as error:
                self._log.warning("%s", error)
        self._dead_letters.close()
        self._offsets.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError(f"the topic {self._name} was closed before")
