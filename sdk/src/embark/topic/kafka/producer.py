"""The producer of the Kafka topic: librdkafka's bounded queue, and a thread that receives its reports."""

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from embark.topic.kafka.cluster import KafkaCluster
from embark.topic.kafka.errors import is_fatal
from embark.topic.kafka.options import fills_producer_options
from embark.topic.records import Losses

# A fill that waited longer is dropped: a lookup that still needs it has requested it again by then.
_MAX_AGE: Final = timedelta(minutes=5)
# How long the thread waits for reports before it checks whether it has to stop.
_SERVE_SECONDS: Final = 0.1
_SECONDS_BETWEEN_WARNINGS: Final = 10.0
# Purged records are reported at once, but a busy machine may take a while.
_PURGE_SECONDS: Final = 5.0


class KafkaProducer:
    """A FillProducer that counts lost records and logs the reason.

    While no broker answers, up to `capacity` records wait, each for up to `max_age`.
    """

    def __init__(
        self, cluster: KafkaCluster, topic: str, *, capacity: int = 100_000, max_age: timedelta = _MAX_AGE
    ) -> None:
        self._cluster = cluster
        self._topic = topic
        self._options = fills_producer_options(capacity, max_age)
        self._log = logging.getLogger(__name__)
        self._counting = threading.Lock()  # guards the next two
        self._dropped = 0
        self._reason = ""
        self._lock = threading.Lock()  # guards the next four, and the client
        self._shed = 0
        self._refused = 0
        self._closed = False
        self._fatal = False
        self._client = self._open()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, name=f"{topic}-producer", daemon=True)
        self._thread.start()

    def produce(self, key: bytes, value: bytes, headers: Mapping[str, bytes]) -> bool:
        """Enqueue the record; return False if the queue is full or closed, or the record can never be delivered."""
        with self._lock:
            if self._closed:
                return False
            try:
                self._client.produce(self._topic, value, key, headers=dict(headers) or None)
            except BufferError:
                self._shed += 1
                return False
            except KafkaException as error:
                self._refused += 1
                self._reason = str(error)
                return False
            return True

    def pending(self) -> int:
        """Return how many records are queued or in flight, including those whose report was not received yet."""
        with self._lock:
            return 0 if self._closed else len(self._client)

    def losses(self) -> Losses:
        """Return how many records found the queue full, were refused by librdkafka, or reached no broker."""
        return Losses(self._shed, self._refused, self._dropped)

    def close(self, timeout: timedelta) -> int:
        """Reject further records, wait up to `timeout` for acknowledgements, and drop the rest."""
        with self._lock:
            if self._closed:
                return 0
            self._closed = True
        self._stop.set()
        self._thread.join()
        before = self._dropped
        _flush(self._client, timeout.total_seconds())
        lost = self._dropped - before
        self._client.close()
        if lost:
            self._log.warning("records lost: no broker acknowledged them before the deadline", extra={"records": lost})
        return lost

    def _open(self) -> Producer:
        return self._cluster.open_producer(self._options, self._failed, self._delivered)

    def _serve(self) -> None:
        warned, known = -_SECONDS_BETWEEN_WARNINGS, Losses()
        while not self._stop.is_set():
            self._client.poll(_SERVE_SECONDS)
            if self._fatal:
                self._replace()
            lost = self.losses()
            if lost != known and time.monotonic() - warned >= _SECONDS_BETWEEN_WARNINGS:
                self._log.warning("fills lost: %s", self._reason or "the queue is full", extra=asdict(lost))
                warned, known = time.monotonic(), lost

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            with self._counting:
                self._dropped += 1
                self._reason = self._cluster.explain(error)

    def _failed(self, error: KafkaError) -> None:
        self._fatal = self._fatal or is_fatal(error)

    def _replace(self) -> None:
        """Open a new client after a fatal error, which stops a client, such as a refused idempotent producer."""
        with self._lock:
            old, self._client, self._fatal = self._client, self._open(), False
        self._log.error("the producer was reopened after a fatal error", extra={"reason": self._reason})
        _flush(old, 0.0)
        old.close()


def _flush(client: Producer, seconds: float) -> None:
    """Wait `seconds` until all records are acknowledged; purge the others, which are then reported as dropped."""
    if client.flush(seconds):
        client.purge()
        client.flush(_PURGE_SECONDS)
