"""The topic in a SQLite file, between EmbArk and KFC in the local mode; usually the same file as the store's."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from embark.clock import Clock, now
from embark.errors import UnavailableError
from embark.sqlite import SqliteFile
from embark.topic.arrivals import Arrivals
from embark.topic.records import Record
from embark.topic.sqlite import log as sqlite_log
from embark.topic.sqlite.consumer import SqliteConsumer
from embark.topic.sqlite.log import Unsent
from embark.topic.sqlite.producer import SqliteProducer

_PATIENCE: Final = timedelta(seconds=10)
# How long records are kept for a group that never commits them, such as one of a space that is gone; Kafka's default.
_RETENTION: Final = timedelta(days=7)
# What close() gives a producer that its owner left open.
_LEFT_OPEN: Final = timedelta(seconds=1)


class SqliteTopic:
    """A Topic named `name` in the file at `path`; thread-safe, and other processes may have the same file open.

    A record is deleted once every group has committed it, or when it is older than `retention`; offsets only grow.

    Raises:
        UnavailableError: the file cannot be made or written to.
    """

    def __init__(
        self,
        path: Path,
        partitions: int,
        *,
        capacity: int = 100_000,
        name: str = "fills",
        clock: Clock = now,
        retention: timedelta = _RETENTION,
    ) -> None:
        self._file = SqliteFile(path, "topic")
        self._name = name
        self._partitions = partitions
        self._capacity = capacity
        self._clock = clock
        self._retention = retention
        self._arrivals = Arrivals()
        self._producers: list[SqliteProducer] = []
        self._dead_letters = SqliteDeadLetters(path, f"{name}.dead-letters", clock)
        try:
            self._file.create(sqlite_log.TABLES, _PATIENCE)
            with self._file.transaction(_PATIENCE) as connection:
                sqlite_log.ensure_partitions(connection, name, partitions)
        except UnavailableError:
            self.close()
            raise

    def producer(self) -> SqliteProducer:
        """Return a new producer, with a queue and a thread of its own."""
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
        """Return a new consumer; making it registers the group, whose records are kept from then on."""
        return SqliteConsumer(
            self._file, self._name, group, arrivals=self._arrivals, clock=self._clock, retention=self._retention
        )

    def start_at_offsets(self, group: str, other: str) -> None:
        """Let a group without commits begin where `other` is: it gets what `other` has yet to finish, and all later.

        For a space that is filled by a scan of another one: what the other's group has finished, the scan finds.
        """
        with self._file.transaction(_PATIENCE) as connection:
            sqlite_log.start_at_offsets(connection, self._name, group, other)

    def drop_group(self, group: str) -> None:
        """Forget a group that has no consumer any more, so that no record is kept for it."""
        with self._file.transaction(_PATIENCE) as connection:
            sqlite_log.drop_group(connection, self._name, group)

    def lag(self, group: str) -> int:
        """Return how many records the group has not committed."""
        with self._file.lend(_PATIENCE) as connection:
            return sqlite_log.lag(connection, self._name, group)

    def dead_letters(self) -> "SqliteDeadLetters":
        """Return the dead letters, in the same file."""
        return self._dead_letters

    def close(self) -> None:
        """Close the producers that are still open, then the file."""
        for producer in self._producers:
            producer.close(_LEFT_OPEN)
        self._file.close()
        self._dead_letters.close()
        self._arrivals.announce()


class SqliteDeadLetters:
    """DeadLetters that are on the disk when append returns: unlike a fill, nobody asks for one again."""

    def __init__(self, path: Path, topic: str, clock: Clock) -> None:
        self._file = SqliteFile(path, "topic", synchronous="FULL")
        self._topic = topic
        self._clock = clock

    def append(self, key: bytes, value: bytes) -> None:
        """Keep a DeadLetter."""
        with self._file.transaction(_PATIENCE) as connection:
            sqlite_log.ensure_partitions(connection, self._topic, 1)
            sqlite_log.append(connection, self._topic, [Unsent(0, key, value, {})], self._clock())

    def read(self, limit: int = 100) -> Sequence[Record]:
        """Return the newest `limit` of them, oldest first."""
        with self._file.lend(_PATIENCE) as connection:
            return sqlite_log.read_newest(connection, self._topic, 0, limit)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
