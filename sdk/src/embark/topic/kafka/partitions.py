"""The partitions that a Kafka consumer owns: their fetched records, and the offsets that it may commit.

Does no I/O; for the thread of its consumer.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from embark.topic.records import Record


@dataclass(slots=True)
class _Owned:
    """One partition since it was last assigned to this consumer."""

    records: deque[Record] = field(default_factory=deque)
    first: int | None = None
    end: int = 0
    accepted: int = -1
    paused: bool = False


class OwnedPartitions:
    """Returns records of the partitions in turn, and decides which offsets this consumer may commit."""

    def __init__(self) -> None:
        self.refused = 0
        """Offsets that were finished after their partition had moved to another consumer."""
        self._owned: dict[int, _Owned] = {}
        self._rotation = 0

    @property
    def owned(self) -> frozenset[int]:
        """The partitions."""
        return frozenset(self._owned)

    @property
    def held(self) -> int:
        """Records that were not returned yet."""
        return sum(len(partition.records) for partition in self._owned.values())

    @property
    def accepted(self) -> dict[int, int]:
        """The last accepted offset of each partition that has one."""
        return {number: partition.accepted for number, partition in self._owned.items() if partition.accepted >= 0}

    def assign(self, numbers: Iterable[int]) -> None:
        """Start with partitions that were assigned to this consumer."""
        for number in numbers:
            self._owned[number] = _Owned()

    def revoke(self, numbers: Iterable[int]) -> list[int]:
        """Drop partitions and their records; return those of them that were paused."""
        revoked = [(number, self._owned.pop(number)) for number in numbers if number in self._owned]
        return [number for number, partition in revoked if partition.paused]

    def add(self, record: Record) -> None:
        """Hold a record, unless its partition was revoked."""
        partition = self._owned.get(record.partition)
        if partition is not None:
            partition.records.append(record)

    def take(self, limit: int) -> list[Record]:
        """Return up to `limit` records in equal shares of the partitions, those of a partition in order."""
        records: list[Record] = []
        waiting = [partition for partition in self._owned.values() if partition.records]
        if waiting:
            self._rotation = (self._rotation + 1) % len(waiting)
            waiting = waiting[self._rotation :] + waiting[: self._rotation]
        while waiting and len(records) < limit:
            share = max(1, (limit - len(records)) // len(waiting))
            for partition in waiting:
                count = min(share, limit - len(records), len(partition.records))
                records += [_pop(partition) for _ in range(count)]
            waiting = [partition for partition in waiting if partition.records]
        return records

    def accept(self, offsets: Mapping[int, int]) -> dict[int, int]:
        """Return the offsets that advance a partition of this consumer.

        The consumer may commit an offset only if it has returned the record before it since the partition was assigned:
        records from before have since been returned by another consumer.
        """
        accepted = {}
        for number, offset in offsets.items():
            partition = self._owned.get(number)
            if partition is None or partition.first is None or not partition.first < offset <= partition.end:
                self.refused += 1
            elif offset > partition.accepted:
                accepted[number] = partition.accepted = offset
        return accepted

    def pause(self, numbers: Iterable[int]) -> list[int]:
        """Mark partitions as paused in the client; return those that were not."""
        return self._switch(numbers, paused=True)

    def resume(self) -> list[int]:
        """Mark every partition as resumed; return those that were paused."""
        return self._switch(self._owned, paused=False)

    def started(self) -> list[int]:
        """Return the partitions from which a record was fetched."""
        return [number for number, partition in self._owned.items() if partition.records or partition.end]

    def _switch(self, numbers: Iterable[int], *, paused: bool) -> list[int]:
        switched = [number for number in numbers if self._owned[number].paused is not paused]
        for number in switched:
            self._owned[number].paused = paused
        return switched


def _pop(partition: _Owned) -> Record:
    record = partition.records.popleft()
    if partition.first is None:
        partition.first = record.offset
    partition.end = record.offset + 1
    return record
