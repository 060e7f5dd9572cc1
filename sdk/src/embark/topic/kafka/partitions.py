"""What a Kafka consumer holds of the partitions it owns: records on their way out, and offsets on their way back.

Pure; a consumer is used from one thread, and this from the same.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from embark.topic.records import Record


@dataclass(slots=True)
class _Owned:
    """One partition since it was given to this consumer the last time."""

    records: deque[Record] = field(default_factory=deque)
    begin: int | None = None
    end: int = 0
    kept: int = -1
    halted: bool = False


class OwnedPartitions:
    """Hands out records by turns, and tells which offsets are this consumer's to commit."""

    def __init__(self) -> None:
        self.refused = 0
        """Offsets that came to be committed after their partition had been given to another consumer."""
        self._owned: dict[int, _Owned] = {}
        self._turn = 0

    @property
    def owned(self) -> frozenset[int]:
        """The partitions."""
        return frozenset(self._owned)

    @property
    def held(self) -> int:
        """Records that wait to be handed out."""
        return sum(len(partition.records) for partition in self._owned.values())

    @property
    def kept(self) -> dict[int, int]:
        """By partition, the last offset that was accepted; without those that have none."""
        return {number: partition.kept for number, partition in self._owned.items() if partition.kept >= 0}

    def assign(self, numbers: Iterable[int]) -> None:
        """Begin anew with partitions that were given to this consumer."""
        for number in numbers:
            self._owned[number] = _Owned()

    def revoke(self, numbers: Iterable[int]) -> list[int]:
        """Forget partitions and what is held of them; returns those of them that were halted."""
        gone = [(number, self._owned.pop(number)) for number in numbers if number in self._owned]
        return [number for number, partition in gone if partition.halted]

    def add(self, record: Record) -> None:
        """Hold a record; one of a partition that has just gone is another consumer's."""
        partition = self._owned.get(record.partition)
        if partition is not None:
            partition.records.append(record)

    def take(self, limit: int) -> list[Record]:
        """Return up to `limit` records, as many of each partition as of any other, of each in their order."""
        records: list[Record] = []
        waiting = [partition for partition in self._owned.values() if partition.records]
        if waiting:
            self._turn = (self._turn + 1) % len(waiting)
            waiting = waiting[self._turn :] + waiting[: self._turn]
        while waiting and len(records) < limit:
            share = max(1, (limit - len(records)) // len(waiting))
            for partition in waiting:
                count = min(share, limit - len(records), len(partition.records))
                records += [_hand_out(partition) for _ in range(count)]
            waiting = [partition for partition in waiting if partition.records]
        return records

    def accept(self, offsets: Mapping[int, int]) -> dict[int, int]:
        """Return those offsets that move a partition of this consumer on.

        An offset is this consumer's only if it handed out the record before it since the partition was given to it:
        what it finished of an earlier time has been handed to somebody else since.
        """
        accepted = {}
        for number, offset in offsets.items():
            partition = self._owned.get(number)
            if partition is None or partition.begin is None or not partition.begin < offset <= partition.end:
                self.refused += 1
            elif offset > partition.kept:
                accepted[number] = partition.kept = offset
        return accepted

    def halt(self, numbers: Iterable[int]) -> list[int]:
        """Note that partitions are paused at the broker's side; returns those that were not before."""
        return self._switch(numbers, halted=True)

    def go_on(self) -> list[int]:
        """Note that every partition goes on; returns those that were halted."""
        return self._switch(self._owned, halted=False)

    def begun(self) -> list[int]:
        """Return the partitions of which a record has come."""
        return [number for number, partition in self._owned.items() if partition.records or partition.end]

    def _switch(self, numbers: Iterable[int], *, halted: bool) -> list[int]:
        switched = [number for number in numbers if self._owned[number].halted is not halted]
        for number in switched:
            self._owned[number].halted = halted
        return switched


def _hand_out(partition: _Owned) -> Record:
    record = partition.records.popleft()
    if partition.begin is None:
        partition.begin = record.offset
    partition.end = record.offset + 1
    return record
