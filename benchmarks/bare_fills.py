"""The loop that an engineer writes in place of KFC: consume, write the rows, store the offsets; a baseline of fills."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from cassandra.concurrent import execute_concurrent_with_args
from confluent_kafka import Consumer, Message

from benchmarks.bare_drivers import bare_session
from benchmarks.subjects import await_count
from embark.names import embeddings_table
from embark.settings import KfcSettings
from embark.topic.kafka.options import consumer_options

# The writes that the store of KFC has in flight, and the messages that it polls at a time.
_IN_FLIGHT: Final = 256
_MESSAGES: Final = 500
_POLL_SECONDS: Final = 0.1


@contextmanager
def bare_fills(settings: KfcSettings) -> Iterator[Callable[[int, float], None]]:
    """Write a row for every message, as KFC does with a Retina that is free; yield the same function as run_kfc."""
    options = consumer_options("bare", classic=False) | {
        "bootstrap.servers": ",".join(settings.topic.kafka.bootstrap_servers)
    }
    consumer = Consumer(options)
    consumer.subscribe([settings.topic.fills])
    with bare_session(settings.store) as session:
        loop = _Loop(consumer, session, settings)
        thread = threading.Thread(target=loop.run, name="bare-fills", daemon=True)
        thread.start()
        try:
            yield lambda total, patience: await_count(lambda: loop.written, total, patience)
        finally:
            loop.stopping.set()
            thread.join()
            consumer.close()


class _Loop:
    def __init__(self, consumer: Consumer, session: Any, settings: KfcSettings) -> None:
        self.written = 0
        self.stopping = threading.Event()
        self._consumer = consumer
        self._session = session
        self._vector = bytes(settings.space.form.nbytes)
        self._insert = session.prepare(
            f"INSERT INTO {embeddings_table(settings.space.id)}"  # noqa: S608 - a table of this run
            " (key, vector, cause, content_hash, written_at, expires_at) VALUES (?, ?, '', ?, ?, 0)"
        )

    def run(self) -> None:
        while not self.stopping.is_set():
            messages = self._consumer.consume(_MESSAGES, _POLL_SECONDS)
            if messages:
                self._write(messages)
                for message in messages:
                    self._consumer.store_offsets(message)
                self.written += len(messages)

    def _write(self, messages: list[Message]) -> None:
        at = int(time.time() * 1000)
        rows = [((message.key() or b"").decode(), self._vector, b"", at) for message in messages]
        execute_concurrent_with_args(self._session, self._insert, rows, concurrency=_IN_FLIGHT)
