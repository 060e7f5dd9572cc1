"""The dead letters on Kafka: each is acknowledged before append returns, and the newest are read without a group."""

import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from embark.errors import ClosedError, UnavailableError
from embark.topic.kafka.cluster import KafkaCluster, partitions_of, record_of
from embark.topic.kafka.options import dead_letters_producer_options, reader_options
from embark.topic.records import Record

_PATIENCE: Final = timedelta(seconds=5)
# librdkafka looks for what has timed out once a second.
_REPORT_SECONDS: Final = _PATIENCE.total_seconds() + 2.0


class KafkaDeadLetters:
    """DeadLetters in a topic of their own; thread-safe."""

    def __init__(self, cluster: KafkaCluster, topic: str) -> None:
        self._cluster: Final = cluster
        self._topic: Final = topic
        self._lock: Final = threading.Lock()
        self._producer: Producer | None = None
        self._closed = False

    def append(self, key: bytes, value: bytes) -> None:
        """Keep a DeadLetter; where the acknowledgement is lost, it may be kept and UnavailableError raised."""
        failures: list[KafkaError | None] = []
        with self._lock:
            producer = self._open()
            try:
                producer.produce(self._topic, value, key, on_delivery=lambda error, _message: failures.append(error))
                producer.flush(_REPORT_SECONDS)
            except (BufferError, KafkaException) as error:
                self._let_go()
                raise UnavailableError("topic", f"{self._topic}: {error}") from error
            if not failures or failures[0] is not None:
                # A later attempt begins with a client that no earlier record holds up.
                self._let_go()
                reason = (
                    self._cluster.explain(failures[0]) if failures and failures[0] else "no acknowledgement in time"
                )
                raise UnavailableError("topic", f"{self._topic}: {reason}")

    def read(self, limit: int = 100) -> Sequence[Record]:
        """Return the newest `limit` of them, oldest first."""
        self._check_open()
        client = self._cluster.open_consumer(reader_options(), _ignore)
        try:
            messages = _read_newest(client, self._topic, limit)
        except KafkaException as error:
            raise self._cluster.unavailable(self._topic, error) from error
        finally:
            client.close()
        messages.sort(key=lambda message: (message.timestamp()[1], message.partition(), message.offset()))
        return [record_of(message, self._topic) for message in messages[-limit:]]

    def close(self) -> None:
        """Let go of the client."""
        with self._lock:
            self._closed = True
            self._let_go()

    def _let_go(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge()
            producer.close()

    def _open(self) -> Producer:
        self._check_open()
        if self._producer is None:
            self._producer = self._cluster.open_producer(dead_letters_producer_options(_PATIENCE), _ignore, _ignore)
        return self._producer

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError(f"the dead letters of {self._topic} were closed before")


def _read_newest(client: Consumer, topic: str, limit: int) -> list[Message]:
    """Read the end of every partition.

    Raises:
        KafkaException: the brokers do not answer, or not in time.
    """
    deadline = time.monotonic() + _PATIENCE.total_seconds()
    starts = []
    for number in partitions_of(client, topic, _PATIENCE.total_seconds()):
        low, high = client.get_watermark_offsets(TopicPartition(topic, number), _PATIENCE.total_seconds())
        if high > low:
            starts.append(TopicPartition(topic, number, max(low, high - limit)))
    client.assign(starts)
    messages: list[Message] = []
    unread = len(starts)
    while unread:
        left = deadline - time.monotonic()
        if left <= 0:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001 - librdkafka's own codes are named so
        for message in client.consume(limit, min(left, 0.1)):
            error = message.error()
            if error is None:
                messages.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - as above
                unread -= 1
            else:
                raise KafkaException(error)
    return messages


def _ignore(*_: object) -> None:
    """The calls themselves say what failed."""
