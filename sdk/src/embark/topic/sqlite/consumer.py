"""The consumer of the SQLite topic: reads on from where its group is, and keeps the group's commits in the file."""

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from embark.clock import Clock, micros
from embark.errors import ClosedError
from embark.sqlite import SqliteFile
from embark.topic.arrivals import Arrivals
from embark.topic.records import Record
from embark.topic.sqlite import log as sqlite_log

# How long a statement may take or wait for the write lock.
_PATIENCE: Final = timedelta(seconds=10)
# How soon the records of a producer in another process, which cannot wake this one, are found.
_RECHECK_SECONDS: Final = 0.05


class SqliteConsumer:
    """A FillConsumer of every partition; two of one group at once are both handed all records."""

    def __init__(
        self, file: SqliteFile, topic: str, group: str, *, arrivals: Arrivals, clock: Clock, retention: timedelta
    ) -> None:
        self._file = file
        self._topic = topic
        self._group = group
        self._arrivals = arrivals
        self._clock = clock
        self._retention = retention
        self._paused = False
        self._closed = False
        self._last_partition = -1
        with file.transaction(_PATIENCE) as connection:
            self._positions = sqlite_log.join_group(connection, topic, group)

    def poll(self, limit: int, timeout: timedelta) -> Sequence[Record]:
        """Return the next records, of each partition in their order."""
        deadline = time.monotonic() + timeout.total_seconds()
        while True:
            seen = self._arrivals.seen()
            self._check_open()
            records = [] if self._paused else self._next(limit)
            left = deadline - time.monotonic()
            if records or left <= 0:
                return records
            self._arrivals.wait(seen, min(left, _RECHECK_SECONDS))

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Keep the offsets, and delete the records of these partitions that no group needs any more."""
        self._check_open()
        oldest = self._clock() - micros(self._retention)
        with self._file.transaction(_PATIENCE) as connection:
            sqlite_log.commit(connection, self._topic, self._group, offsets)
            for partition in offsets:
                sqlite_log.drop_finished(connection, self._topic, partition, oldest)

    def pause(self, paused: bool) -> None:  # noqa: FBT001 - as the protocol
        """Stop or resume handing out records."""
        self._paused = paused
        self._arrivals.announce()

    def lag(self) -> int:
        """Return how many records the group has not committed."""
        self._check_open()
        with self._file.lend(_PATIENCE) as connection:
            return sqlite_log.lag(connection, self._topic, self._group)

    def close(self) -> None:
        """Leave the group; its commits stay."""
        self._closed = True
        self._arrivals.announce()

    def _next(self, limit: int) -> list[Record]:
        """Return up to `limit` records, beginning behind the partition that was served last, so that none starves."""
        records: list[Record] = []
        with self._file.lend(_PATIENCE) as connection:
            waiting = [p for p, end in sqlite_log.ends(connection, self._topic).items() if self._positions[p] < end]
            for partition in sorted(waiting, key=lambda p: (p <= self._last_partition, p)):
                position, room = self._positions[partition], limit - len(records)
                found = sqlite_log.read(connection, self._topic, partition, position, room)
                records += found
                if len(records) == limit:
                    break
        for record in records:
            self._positions[record.partition] = record.offset + 1
            self._last_partition = record.partition
        return records

    def _check_open(self) -> None:
        self._file.check_open()
        if self._closed:
            raise ClosedError(f"the consumer of {self._topic} for {self._group} was closed before")
