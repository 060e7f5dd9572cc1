"""How far the re-embedding into a space has come, range by range; stored as checkpoints."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Self

from embark.store.ranges import TokenRange

PROGRESS_TABLE: Final = "rollout_progress"


@dataclass(frozen=True, slots=True)
class RangeProgress:
    """The progress of one range: every row up to and including the token `cursor` was encoded (`done`) or `failed`."""

    token_range: TokenRange
    cursor: int
    done: int = 0
    failed: int = 0

    def __post_init__(self) -> None:
        if not self.token_range.start <= self.cursor <= self.token_range.end:
            raise ValueError(f"the cursor {self.cursor} is outside {self.token_range}")

    @property
    def remaining(self) -> TokenRange:
        """The part that is left to scan."""
        return TokenRange(self.cursor, self.token_range.end)

    @property
    def finished(self) -> bool:
        """Whether nothing is left."""
        return self.cursor == self.token_range.end

    def advanced(self, cursor: int, *, done: int, failed: int) -> Self:
        """Return the progress after a page with `done` and `failed` rows."""
        return replace(self, cursor=cursor, done=self.done + done, failed=self.failed + failed)


def find_progress(stored: Iterable[RangeProgress], space: str, token_range: TokenRange) -> RangeProgress | None:
    """Return the progress of a range among those stored for its space; None if the range has no checkpoint.

    Raises:
        ValueError: the space was split into other ranges before.
    """
    for progress in stored:
        if progress.token_range == token_range:
            return progress
        if progress.token_range.start < token_range.end and token_range.start < progress.token_range.end:
            raise ValueError(
                f"{space} has a checkpoint of {progress.token_range}; drop it before a scan of {token_range}"
            )
    return None
