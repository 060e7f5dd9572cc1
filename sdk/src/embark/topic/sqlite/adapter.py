"""The topic in the SQLite file of the local mode, usually the file of the store."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from embark.clock import Clock, now
from embark.errors import UnavailableError
from embark.sqlite_file import SqliteFile
from embark.topic.arrivals import Arrivals
from embark.topic.records import Record
from embark.topic.sqlite import log as sqlite_log
from embark.topic.sqlite.consumer import SqliteConsumer
from embark.topic.sqlite.limits import DEFAULT_LIMITS, SqliteTopicLimits
from embark.topic.sqlite.log import Unsent
from embark.topic.sqlite.producer import SqliteProducer


class SqliteTopic:
    """A FillTopic named `name` in the file at `path`; thread-safe, and other processes may have the same file open.

    A record is deleted once every group has committed it, or when it is older than the retention; offsets only grow.

    Raises:
        UnavailableError: the file cannot be created or written to.
    """

    def __init__(
        self,
        path: Path,
        partitions: int,
        *,
        capacity: int = 100_000,
        name: str = "fills",
        clock: Clock = now,
        limits: SqliteTopicLimits = DEFAULT_LIMITS,
    ) -> None:
        self._file = SqliteFile(path, "topic")
        self._name = name
        self._partitions = partitions
        self._capacity = capacity
        self._clock = clock
        self._limits = limits
        self._arrivals = Arrivals()
        self._producers: list[SqliteProducer] = []
        self._dead_letters = SqliteDeadLetters(path, f"{name}.dead-letters", clock, limits.timeout)
        try:
            self._file.create(sqlite_log.TABLES, limits.timeout)
            with self._file.transaction(limits.timeout) as connection:
                sqlite_log.ensure_partitions(connection, name, partitions)
        except UnavailableError:
            self.close()
            raise

    def producer(self) -> SqliteProducer:
        """Return a new producer with its own queue and thread."""
        self._file.check_open()
        producer = SqliteProducer(
            self._file,
            self._name,
            partitions=self._partitions,
            capacity=self._capacity,
            announce=self._arrivals.announce,
            clock=self._clock,
        )
        self._producers.append(producer)
        return producer

    def consumer(self, group: str) -> SqliteConsumer:
        """Return a new consumer; it registers the group, whose records are kept from then on."""
        return SqliteConsumer(
            self._file, self._name, group, arrivals=self._arrivals, clock=self._clock, limits=self._limits
        )

    def start_at_offsets(self, group: str, other: str) -> None:
        """Start a group without commits at the offsets of `other`: it gets all that `other` has not finished.

        For a space that is filled by a scan of another one: the scan finds what the group of the other has finished.
        """
        with self._file.transaction(self._limits.timeout) as connection:
            sqlite_log.start_at_offsets(connection, self._name, group, other)

    def drop_group(self, group: str) -> None:
        """Delete a group that no longer has a consumer, so that no record is kept for it."""
        with self._file.transaction(self._limits.timeout) as connection:
            sqlite_log.drop_group(connection, self._name, group)

    def lag(self, group: str) -> int:
        """Return how many records the group has not committed."""
        with self._file.lend(self._limits.timeout) as connection:
            return sqlite_log.lag(connection, self._name, group)

    def dead_letters(self) -> "SqliteDeadLetters":
        """Return the dead letters, in the same file."""
        return self._dead_letters

    def close(self) -> None:
        """Close the producers that are still open, then the file."""
        for producer in self._producers:
            producer.close(self._limits.producer_close)
        self._file.close()
        self._dead_letters.close()
        self._arrivals.announce()


class SqliteDeadLetters:
    """DeadLetters that are on the disk when append returns: unlike a fill, a lost one is never requested again."""

    def __init__(self, path: Path, topic: str, clock: Clock, timeout: timedelta) -> None:
        self._file = SqliteFile(path, "topic", synchronous="FULL")
        self._topic = topic
        self._clock = clock
        self._timeout = timeout

    def append(self, key: bytes, value: bytes) -> None:
        """Store a DeadLetter."""
        with self._file.transaction(self._timeout) as connection:
            sqlite_log.ensure_partitions(connection, self._topic, 1)
            sqlite_log.append(connection, self._topic, [Unsent(0, key, value, {})], self._clock())

    def read(self, limit: int = 100) -> Sequence[Record]:
        """Return the newest `limit` of them, oldest first."""
        with self._file.lend(self._timeout) as connection:
            return sqlite_log.read_newest(connection, self._topic, 0, limit)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
