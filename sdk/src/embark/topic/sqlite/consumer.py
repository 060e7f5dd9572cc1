"""The consumer of the SQLite topic: reads from the offsets of its group, and commits them to the file."""

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta

from embark.clock import Clock, micros
from embark.errors import ClosedError
from embark.sqlite_file import SqliteFile
from embark.topic.arrivals import Arrivals
from embark.topic.records import Record
from embark.topic.sqlite import log as sqlite_log
from embark.topic.sqlite.limits import SqliteTopicLimits


class SqliteConsumer:
    """A FillConsumer of every partition; two consumers of one group both get all records."""

    def __init__(
        self, file: SqliteFile, topic: str, group: str, *, arrivals: Arrivals, clock: Clock, limits: SqliteTopicLimits
    ) -> None:
        self._file = file
        self._topic = topic
        self._group = group
        self._arrivals = arrivals
        self._clock = clock
        self._limits = limits
        self._paused = False
        self._closed = False
        self._last_partition = -1
        with file.transaction(limits.timeout) as connection:
            self._positions = sqlite_log.join_group(connection, topic, group)

    def poll(self, limit: int, timeout: timedelta) -> Sequence[Record]:
        """Return the next records, those of a partition in order."""
        deadline = time.monotonic() + timeout.total_seconds()
        while True:
            seen = self._arrivals.seen()
            self._check_open()
            records = [] if self._paused else self._next(limit)
            left = deadline - time.monotonic()
            if records or left <= 0:
                return records
            self._arrivals.wait(seen, min(left, self._limits.recheck.total_seconds()))

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Store the offsets, and delete the records of these partitions that no group needs any longer."""
        self._check_open()
        oldest = self._clock() - micros(self._limits.retention)
        with self._file.transaction(self._limits.timeout) as connection:
            sqlite_log.commit(connection, self._topic, self._group, offsets)
            for partition in offsets:
                sqlite_log.drop_finished(connection, self._topic, partition, oldest)

    def pause(self, paused: bool) -> None:  # noqa: FBT001 - as the protocol
        """Stop or resume returning records."""
        self._paused = paused
        self._arrivals.announce()

    def lag(self) -> int:
        """Return how many records the group has not committed."""
        self._check_open()
        with self._file.lend(self._limits.timeout) as connection:
            return sqlite_log.lag(connection, self._topic, self._group)

    def close(self) -> None:
        """Leave the group; its commits stay."""
        self._closed = True
        self._arrivals.announce()

    def _next(self, limit: int) -> list[Record]:
        """Return up to `limit` records, starting after the partition that was read last, so that none starves."""
        records: list[Record] = []
        with self._file.lend(self._limits.timeout) as connection:
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
            raise ClosedError(f"the consumer of {self._topic} for {self._group} is closed")
