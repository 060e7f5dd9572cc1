"""The producer of the SQLite topic: a bounded queue in memory, and one thread that appends it to the file."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final

from embark.clock import Clock
from embark.errors import ClosedError, UnavailableError
from embark.sqlite_file import SqliteFile
from embark.topic.records import Losses
from embark.topic.sqlite import log as sqlite_log
from embark.topic.sqlite.log import Unsent

# How long one attempt waits for a locked file; short, since close() may wait for the attempt in flight.
_ATTEMPT_TIMEOUT: Final = timedelta(milliseconds=100)
_FIRST_BACKOFF_SECONDS: Final = 0.01
_MAX_BACKOFF_SECONDS: Final = 0.5
# So that a transaction holds the write lock of the file for at most some 10 ms.
_MAX_RECORDS_PER_TRANSACTION: Final = 2_000


class SqliteProducer:
    """A FillProducer that holds up to `capacity` unacknowledged records and appends them without lingering.

    While the file fails, the thread retries with backoff for as long as the producer is open.
    """

    def __init__(
        self,
        file: SqliteFile,
        topic: str,
        *,
        partitions: int,
        capacity: int,
        announce: Callable[[], None],
        clock: Clock,
    ) -> None:
        self._file = file
        self._topic = topic
        self._partitions = partitions
        self._capacity = capacity
        self._announce = announce
        self._clock = clock
        self._log = logging.getLogger(__name__)
        self._changed = threading.Condition()  # guards the next five
        self._queue: list[Unsent] = []
        self._pending = 0
        self._shed = 0
        self._dropped = 0
        self._closed = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{topic}-producer", daemon=True)
        self._thread.start()

    def produce(self, key: bytes, value: bytes, headers: Mapping[str, bytes]) -> bool:
        """Enqueue the record; return False if the queue is full or closed."""
        record = Unsent(sqlite_log.choose_partition(key, self._partitions), key, value, dict(headers))
        with self._changed:
            if self._closed:
                return False
            if self._pending >= self._capacity:
                self._shed += 1
                return False
            self._queue.append(record)
            self._pending += 1
            self._changed.notify()
        return True

    def pending(self) -> int:
        """Return how many records are queued or being appended."""
        with self._changed:
            return self._pending

    def losses(self) -> Losses:
        """Return how many records found the queue full, and how many close() dropped."""
        with self._changed:
            return Losses(shed=self._shed, dropped=self._dropped)

    def close(self, timeout: timedelta) -> int:
        """Reject further records, wait up to `timeout` until all are appended, and stop the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout.total_seconds())
        self._stop.set()
        self._thread.join()
        with self._changed:
            lost = self._dropped = self._pending
        if lost:
            self._log.warning("records lost: could not be written before the deadline", extra={"records": lost})
        return lost

    def _run(self) -> None:
        while records := self._take():
            for start in range(0, len(records), _MAX_RECORDS_PER_TRANSACTION):
                batch = records[start : start + _MAX_RECORDS_PER_TRANSACTION]
                if not self._append(batch):
                    return
                with self._changed:
                    self._pending -= len(batch)
                self._announce()

    def _take(self) -> Sequence[Unsent]:
        """Wait for records and return them all; return none once the producer is closed and none is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed)
            records, self._queue = self._queue, []
        return records

    def _append(self, batch: Sequence[Unsent]) -> bool:
        """Retry until the batch is appended; return False if the producer is stopped first."""
        attempt, backoff, since = 0, _FIRST_BACKOFF_SECONDS, time.monotonic()
        while not self._stop.is_set():
            attempt += 1
            try:
                with self._file.transaction(_ATTEMPT_TIMEOUT) as connection:
                    sqlite_log.append(connection, self._topic, batch, self._clock())
            except UnavailableError as error:
                if attempt == 1:
                    self._log.warning("cannot write records, retrying: %s", error, extra={"records": len(batch)})
                self._stop.wait(backoff)
                backoff = min(2 * backoff, _MAX_BACKOFF_SECONDS)
            except ClosedError:
                return False
            else:
                if attempt > 1:
                    seconds = round(time.monotonic() - since, 1)
                    self._log.info("records are written again", extra={"attempts": attempt, "seconds": seconds})
                return True
        return False
