"""The offsets that may be committed."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Partition:
    begun: deque[int] = field(default_factory=deque)
    finished: set[int] = field(default_factory=set)
    newest: int = -1
    position: int | None = None
    committed: int | None = None


class Watermarks:
    """The begun and finished offsets of each partition; only a prefix without gaps is committable.

    Gaps are in the order of delivery: offsets that the topic never delivers (Kafka's transaction markers, compacted
    records) hold nothing back.
    """

    def __init__(self) -> None:
        self._partitions: dict[int, _Partition] = {}

    def begin(self, partition: int, offset: int) -> None:
        """Record a delivered offset.

        An offset at or below the newest one means that the partition was rewound (assigned to this consumer again, or
        the topic was recreated): counting starts over.
        """
        state = self._partitions.setdefault(partition, _Partition())
        if offset <= state.newest:
            self._partitions[partition] = state = _Partition()
        state.begun.append(offset)
        state.newest = offset

    def finish(self, partition: int, offset: int) -> None:
        """Record that an offset is done; one that is unknown, or already finished, changes nothing."""
        state = self._partitions.get(partition)
        if state is None or not state.begun or not state.begun[0] <= offset <= state.newest:
            return
        state.finished.add(offset)
        while state.begun and state.begun[0] in state.finished:
            state.finished.discard(state.begun[0])
            state.position = state.begun.popleft() + 1

    def committable(self) -> dict[int, int]:
        """Return, by partition, the offset to continue from after a restart, if it is not committed yet."""
        return {
            partition: state.position
            for partition, state in self._partitions.items()
            if state.position is not None and state.position != state.committed
        }

    def committed(self, offsets: Mapping[int, int]) -> None:
        """Record that offsets that committable() returned are committed."""
        for partition, offset in offsets.items():
            self._partitions[partition].committed = offset

    @property
    def outstanding(self) -> int:
        """Number of records that have begun and are not finished."""
        return sum(len(state.begun) - len(state.finished) for state in self._partitions.values())

    @property
    def uncommittable(self) -> int:
        """Number of records that are not finished, or wait for an earlier one of their partition."""
        return sum(len(state.begun) for state in self._partitions.values())
