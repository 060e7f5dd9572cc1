"""The producer of the Kafka topic: librdkafka's bounded queue, and a thread that serves its reports."""

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from embark.topic.kafka.cluster import KafkaCluster, is_fatal
from embark.topic.kafka.options import fills_producer_options
from embark.topic.records import Losses

# A fill that waited longer is dropped: who still wants it has asked again by then.
_KEPT_FOR: Final = timedelta(minutes=5)
# How long the thread waits for reports at most before it sees that it has to stop.
_SERVE_SECONDS: Final = 0.1
_SECONDS_BETWEEN_WARNINGS: Final = 10.0
# What is purged is reported at once; this is for a machine that is very busy.
_PURGE_SECONDS: Final = 5.0


class KafkaProducer:
    """A FillProducer. Counts what it lost, and says why in its log.

    While no broker answers, up to `capacity` records wait, each for up to `kept_for`.
    """

    def __init__(
        self, cluster: KafkaCluster, topic: str, *, capacity: int = 100_000, kept_for: timedelta = _KEPT_FOR
    ) -> None:
        self._cluster: Final = cluster
        self._topic: Final = topic
        self._options: Final = fills_producer_options(capacity, kept_for)
        self._log: Final = logging.getLogger(__name__)
        self._counting: Final = threading.Lock()  # guards the next two
        self._dropped = 0
        self._reason = ""
        self._lock: Final = threading.Lock()  # guards the next four, and the client
        self._shed = 0
        self._refused = 0
        self._closed = False
        self._fatal = False
        self._client = self._open()
        self._stop: Final = threading.Event()
        self._thread: Final = threading.Thread(target=self._serve, name=f"{topic}-producer", daemon=True)
        self._thread.start()

    def produce(self, key: bytes, value: bytes, headers: Mapping[str, bytes]) -> bool:
        """Put the record into the queue; False when it is full or closed, or can never be delivered."""
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
        """Return how many records are in the queue or on their way to a broker, and reports not served yet."""
        with self._lock:
            return 0 if self._closed else len(self._client)

    def losses(self) -> Losses:
        """Return how many records the queue had no room for, librdkafka refused, and no broker took."""
        return Losses(self._shed, self._refused, self._dropped)

    def close(self, timeout: timedelta) -> int:
        """Take no more, wait up to `timeout` until all is acknowledged, and give up the rest."""
        with self._lock:
            if self._closed:
                return 0
            self._closed = True
        self._stop.set()
        self._thread.join()
        before = self._dropped
        _give_up(self._client, timeout.total_seconds())
        lost = self._dropped - before
        self._client.close()
        if lost:
            self._log.warning("records are lost: no broker took them in time", extra={"records": lost})
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
                self._log.warning("fills are lost: %s", self._reason or "the queue is full", extra=asdict(lost))
                warned, known = time.monotonic(), lost

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            with self._counting:
                self._dropped += 1
                self._reason = self._cluster.explain(error)

    def _failed(self, error: KafkaError) -> None:
        self._fatal = self._fatal or is_fatal(error)

    def _replace(self) -> None:
        """Open a new client: one that has met a fatal error (an idempotent producer was refused) takes no more."""
        with self._lock:
            old, self._client, self._fatal = self._client, self._open(), False
        self._log.error("the producer begins anew after a fatal error", extra={"reason": self._reason})
        _give_up(old, 0.0)
        old.close()


def _give_up(client: Producer, seconds: float) -> None:
    """Wait until all is acknowledged; what is not after `seconds` is reported as dropped."""
    if client.flush(seconds):
        client.purge()
        client.flush(_PURGE_SECONDS)
