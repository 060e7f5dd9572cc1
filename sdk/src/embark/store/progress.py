"""How far the re-embedding into a space has come, range by range; stores keep it as checkpoints."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Self

from embark.store.ranges import TokenRange

PROGRESS_TABLE: Final = "rollout_progress"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one range is: every row up to and including the token `cursor` was encoded (`done`) or `failed`."""

    within: TokenRange
    cursor: int
    done: int = 0
    failed: int = 0

    def __post_init__(self) -> None:
        if not self.within.start <= self.cursor <= self.within.end:
            raise ValueError(f"the cursor {self.cursor} is outside of {self.within}")

    @property
    def rest(self) -> TokenRange:
        """What is left to scan."""
        return TokenRange(self.cursor, self.within.end)

    @property
    def over(self) -> bool:
        """Whether nothing is left."""
        return self.cursor == self.within.end

    def advanced(self, cursor: int, *, done: int, failed: int) -> Self:
        """Return it after a further page with so many rows done and failed."""
        return replace(self, cursor=cursor, done=self.done + done, failed=self.failed + failed)


def stored_progress(stored: Iterable[Progress], space: str, within: TokenRange) -> Progress | None:
    """Return the progress of a range among those stored for its space; None: the range was not begun.

    Raises:
        ValueError: the space was split into other ranges before.
    """
    for progress in stored:
        if progress.within == within:
            return progress
        if progress.within.start < within.end and within.start < progress.within.end:
            raise ValueError(f"{space} has a checkpoint of {progress.within}; drop it before a scan of {within}")
    return None
