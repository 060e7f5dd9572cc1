"""The topic in memory, for tests and short trials; nothing outlives the process."""

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final
from zlib import crc32

from embark.errors import ClosedError
from embark.topic.arrivals import Arrivals
from embark.topic.records import Losses, Record

# Further dead letters replace the oldest.
_MAX_DEAD_LETTERS: Final = 10_000


class MemoryTopic:
    """A FillTopic in lists; thread-safe. Full while it holds `capacity` records that not every group has committed."""

    def __init__(self, partitions: int = 12, capacity: int = 100_000, name: str = "fills") -> None:
        self.name = name
        self.capacity = capacity
        self.arrivals = Arrivals()
        self.lock = threading.Lock()  # guards the next four
        self.held: list[deque[Record]] = [deque() for _ in range(partitions)]
        self.ends = [0] * partitions
        self.commits: dict[str, list[int]] = {}
        self.closed = False
        self._dead_letters = MemoryDeadLetters(f"{name}.dead-letters")

    def producer(self) -> "MemoryProducer":
        """Return a new producer."""
        self.check_open()
        return MemoryProducer(self)

    def consumer(self, group: str) -> "MemoryConsumer":
        """Return a new consumer; it registers the group, whose records are kept from then on."""
        with self.lock:
            self.check_open()
            if group not in self.commits:
                partitions = zip(self.held, self.ends, strict=True)
                self.commits[group] = [held[0].offset if held else end for held, end in partitions]
            return MemoryConsumer(self, group, list(self.commits[group]))

    def dead_letters(self) -> "MemoryDeadLetters":
        """Return the dead letters."""
        return self._dead_letters

    def close(self) -> None:
        """Discard the records; producers reject new ones."""
        with self.lock:
            self.closed = True
            self.held = [deque() for _ in self.held]
        self._dead_letters.close()
        self.arrivals.announce()

    def check_open(self) -> None:
        """Raise ClosedError after close()."""
        if self.closed:
            raise ClosedError(f"the topic {self.name} in memory is closed")


class MemoryProducer:
    """A FillProducer whose records are acknowledged at once."""

    def __init__(self, topic: MemoryTopic) -> None:
        self._topic = topic
        self._closed = False
        self._shed = 0

    def produce(self, key: bytes, value: bytes, headers: Mapping[str, bytes]) -> bool:
        """Append the record to the partition of its key; return False if the topic is full or closed."""
        topic = self._topic
        with topic.lock:
            if self._closed or topic.closed:
                return False
            if sum(map(len, topic.held)) >= topic.capacity:
                self._shed += 1
                return False
            partition = crc32(key) % len(topic.held)
            record = Record(topic.name, partition, topic.ends[partition], key, value, dict(headers))
            topic.held[partition].append(record)
            topic.ends[partition] += 1
        topic.arrivals.announce()
        return True

    def pending(self) -> int:
        """Return 0: no record is in flight."""
        return 0

    def losses(self) -> Losses:
        """Return how many records found the topic full."""
        return Losses(shed=self._shed)

    def close(self, timeout: timedelta) -> int:  # noqa: ARG002 - no record is in flight
        """Reject further records."""
        self._closed = True
        return 0


class MemoryConsumer:
    """A FillConsumer of every partition; two consumers of one group both get all records."""

    def __init__(self, topic: MemoryTopic, group: str, positions: list[int]) -> None:
        self._topic = topic
        self._group = group
        self._positions = positions
        self._paused = False
        self._closed = False
        self._rotation = 0

    def poll(self, limit: int, timeout: timedelta) -> Sequence[Record]:
        """Return the next records, those of a partition in order."""
        deadline = time.monotonic() + timeout.total_seconds()
        while True:
            seen = self._topic.arrivals.seen()
            records = self._next(limit)
            left = deadline - time.monotonic()
            if records or left <= 0:
                return records
            self._topic.arrivals.wait(seen, left)

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Store the offsets, and discard the records that every group has committed."""
        with self._topic.lock:
            self._check_open()
            own = self._topic.commits[self._group]
            for partition, offset in offsets.items():
                own[partition] = max(own[partition], offset)
                finished = min(commits[partition] for commits in self._topic.commits.values())
                held = self._topic.held[partition]
                while held and held[0].offset < finished:
                    held.popleft()

    def pause(self, paused: bool) -> None:  # noqa: FBT001 - as the protocol
        """Stop or resume returning records."""
        self._paused = paused
        self._topic.arrivals.announce()

    def lag(self) -> int:
        """Return how many records the group has not committed."""
        with self._topic.lock:
            self._check_open()
            offsets = zip(self._topic.ends, self._topic.commits[self._group], strict=True)
            return sum(max(0, end - commit) for end, commit in offsets)

    def close(self) -> None:
        """Leave the group; its commits stay."""
        self._closed = True
        self._topic.arrivals.announce()

    def _next(self, limit: int) -> list[Record]:
        """Return up to `limit` records, starting with another partition each time, so that none starves."""
        records: list[Record] = []
        with self._topic.lock:
            self._check_open()
            if self._paused:
                return records
            count = len(self._positions)
            self._rotation += 1
            for partition in ((self._rotation + i) % count for i in range(count)):
                held = self._topic.held[partition]
                skipped = self._positions[partition] - held[0].offset if held else 0
                records += [held[i] for i in range(max(0, skipped), min(len(held), skipped + limit - len(records)))]
            for record in records:
                self._positions[record.partition] = record.offset + 1
        return records

    def _check_open(self) -> None:
        self._topic.check_open()
        if self._closed:
            raise ClosedError(f"the consumer of {self._topic.name} for {self._group} is closed")


class MemoryDeadLetters:
    """The newest dead letters."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._lock = threading.Lock()
        self._records: deque[Record] = deque(maxlen=_MAX_DEAD_LETTERS)
        self._appended = 0
        self._closed = False

    def append(self, key: bytes, value: bytes) -> None:
        """Store a DeadLetter."""
        with self._lock:
            self._check_open()
            self._records.append(Record(self._topic, 0, self._appended, key, value))
            self._appended += 1

    def read(self, limit: int = 100) -> Sequence[Record]:
        """Return the newest `limit` of them, oldest first."""
        with self._lock:
            self._check_open()
            return list(self._records)[-limit:] if limit > 0 else []

    def close(self) -> None:
        """Discard them."""
        with self._lock:
            self._closed = True
            self._records.clear()

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError(f"the topic {self._topic} in memory is closed")
