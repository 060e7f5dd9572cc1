"""Which offsets may be committed; pure, used by Intake."""

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
    """Offsets by partition: what has begun and what is finished; only a prefix without gaps is committable.

    Without gaps means: in the order of delivery. Offsets that the topic never delivers (Kafka's transaction markers,
    compacted records) hold nothing up.
    """

    def __init__(self) -> None:
        self._partitions: dict[int, _Partition] = {}

    def begin(self, partition: int, offset: int) -> None:
        """Take note of a record that was delivered.

        An offset at or below the newest one means that the partition was rewound (it was given to this consumer anew,
        or the topic was made anew): it counts from there again.
        """
        state = self._partitions.setdefault(partition, _Partition())
        if offset <= state.newest:
            self._partitions[partition] = state = _Partition()
        state.begun.append(offset)
        state.newest = offset

    def finish(self, partition: int, offset: int) -> None:
        """Take note that nothing is left to do for a record; one that is not known, or finished, changes nothing."""
        state = self._partitions.get(partition)
        if state is None or not state.begun or not state.begun[0] <= offset <= state.newest:
            return
        state.finished.add(offset)
        while state.begun and state.begun[0] in state.finished:
            state.finished.discard(state.begun[0])
            state.position = state.begun.popleft() + 1

    def committable(self) -> dict[int, int]:
        """Return, by partition, the offset to go on from after a restart, where it is not committed yet."""
        return {
            partition: state.position
            for partition, state in self._partitions.items()
            if state.position is not None and state.position != state.committed
        }

    def committed(self, offsets: Mapping[int, int]) -> None:
        """Take note that what committable() returned is kept by the topic."""
        for partition, offset in offsets.items():
            self._partitions[partition].committed = offset

    @property
    def outstanding(self) -> int:
        """Records that have begun and are not finished."""
        return sum(len(state.begun) - len(state.finished) for state in self._partitions.values())

    @property
    def uncommittable(self) -> int:
        """Records that have begun and are not finished, or wait for an earlier one of their partition."""
        return sum(len(state.begun) for state in self._partitions.values())
