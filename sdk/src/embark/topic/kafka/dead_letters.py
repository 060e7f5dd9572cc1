"""The dead letters on Kafka: each is acknowledged before append returns, and read without a consumer group."""

import threading
import time
from collections.abc import Sequence
from datetime import timedelta

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from embark.errors import ClosedError, UnavailableError
from embark.topic.kafka import client_internals
from embark.topic.kafka.cluster import KafkaCluster, list_partitions, to_record
from embark.topic.kafka.limits import DEFAULT_LIMITS, KafkaLimits
from embark.topic.kafka.options import dead_letters_producer_options, reader_options
from embark.topic.records import Record


class KafkaDeadLetters:
    """DeadLetters in a separate topic; thread-safe."""

    def __init__(self, cluster: KafkaCluster, topic: str, limits: KafkaLimits = DEFAULT_LIMITS) -> None:
        self._cluster = cluster
        self._topic = topic
        self._limits = limits
        self._lock = threading.Lock()
        self._producer: Producer | None = None
        self._closed = False

    def append(self, key: bytes, value: bytes) -> None:
        """Store a DeadLetter; it may be stored although UnavailableError is raised, if only the reply was lost."""
        failures: list[KafkaError | None] = []
        timeout = self._limits.dead_letters + self._limits.dead_letter_report
        with self._lock:
            producer = self._open()
            try:
                producer.produce(self._topic, value, key, on_delivery=lambda error, _message: failures.append(error))
                producer.flush(timeout.total_seconds())
            except (BufferError, KafkaException) as error:
                self._discard_producer()
                raise UnavailableError("topic", f"{self._topic}: {error}") from error
            if not failures or failures[0] is not None:
                # The next attempt opens a client, in which no earlier record blocks it.
                self._discard_producer()
                reason = (
                    self._cluster.explain(failures[0]) if failures and failures[0] else "no acknowledgement in time"
                )
                raise UnavailableError("topic", f"{self._topic}: {reason}")

    def read(self, limit: int = 100) -> Sequence[Record]:
        """Return the newest `limit` of them, oldest first."""
        self._check_open()
        client = self._cluster.open_consumer(reader_options(), _ignore)
        try:
            messages = _read_newest(client, self._topic, limit, self._limits.dead_letters)
        except KafkaException as error:
            raise self._cluster.unavailable(self._topic, error) from error
        finally:
            client.close()
        messages.sort(key=lambda message: (message.timestamp()[1], message.partition(), message.offset()))
        return [to_record(message, self._topic) for message in messages[-limit:]]

    def close(self) -> None:
        """Close the client."""
        with self._lock:
            self._closed = True
            self._discard_producer()

    def _discard_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge()
            producer.close()

    def _open(self) -> Producer:
        self._check_open()
        if self._producer is None:
            options = dead_letters_producer_options(self._limits.dead_letters)
            self._producer = self._cluster.open_producer(options, _ignore, _ignore)
        return self._producer

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError(f"the dead letters of {self._topic} are closed")


def _read_newest(client: Consumer, topic: str, limit: int, timeout: timedelta) -> list[Message]:
    """Read the end of every partition.

    Raises:
        KafkaException: the brokers do not answer, or not in time.
    """
    seconds = timeout.total_seconds()
    deadline = time.monotonic() + seconds
    starts = []
    for number in list_partitions(client, topic, seconds):
        low, high = client.get_watermark_offsets(TopicPartition(topic, number), seconds)
        if high > low:
            starts.append(TopicPartition(topic, number, max(low, high - limit)))
    client.assign(starts)
    messages: list[Message] = []
    unread = len(starts)
    while unread:
        left = deadline - time.monotonic()
        if left <= 0:
            raise KafkaException(KafkaError(client_internals.TIMED_OUT))
        for message in client.consume(limit, min(left, 0.1)):
            error = message.error()
            if error is None:
                messages.append(message)
            elif error.code() == client_internals.PARTITION_EOF:
                unread -= 1
            else:
                raise KafkaException(error)
    return messages


def _ignore(*_: object) -> None:
    """Ignore a callback; the calls themselves report what failed."""
