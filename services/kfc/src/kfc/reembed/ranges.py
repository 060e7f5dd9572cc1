"""The pages of a range under way and which of them may be checkpointed; pure, used by the re-embedding."""

from collections import deque
from dataclasses import dataclass, field

from embark.store import RangeProgress


@dataclass(slots=True, eq=False)
class PageWork:
    """A page of which `left` keys are neither done nor failed yet."""

    within: "RangeWork"
    cursor: int
    left: int
    done: int = 0
    failed: int = 0

    def settle(self, *, done: int = 0, failed: int = 0) -> None:
        """Count keys whose rows are acknowledged, or which have failed."""
        self.left -= done + failed
        self.done += done
        self.failed += failed


@dataclass(slots=True, eq=False)
class ReembedItem:
    """A key to encode for a page; `lasting` where a failure of it counts, for the source has an embedding."""

    key: str
    page: PageWork
    lasting: bool
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Saving:
    """A checkpoint to save, and the keys of the pages that it adds."""

    work: "RangeWork"
    progress: RangeProgress
    done: int
    failed: int


@dataclass(slots=True, eq=False)
class RangeWork:
    """A range under way, at most one checkpoint of which is being saved; `lost` once another process is further."""

    progress: RangeProgress
    begun: bool
    """Whether the store has a checkpoint of it."""
    saving: bool = False
    lost: bool = False
    pages: deque[PageWork] = field(default_factory=deque)

    def add(self, page: PageWork) -> PageWork:
        """Put a page after those that are under way."""
        self.pages.append(page)
        return page

    def take_saving(self) -> Saving | None:
        """Return the checkpoint after the finished pages that no unfinished one is before.

        None where there is none, or where the one before it is still being saved; saved() ends that.
        """
        if self.saving:
            return None
        done = failed = 0
        cursor = self.progress.cursor
        finished = False
        while self.pages and self.pages[0].left == 0:
            page = self.pages.popleft()
            finished = True
            done, failed, cursor = done + page.done, failed + page.failed, page.cursor
        if not finished or self.lost:
            return None
        self.progress = self.progress.advanced(cursor, done=done, failed=failed)
        self.saving = True
        return Saving(self, self.progress, done, failed)

    def saved(self, *, kept: bool) -> None:
        """Take note of whether the store kept the checkpoint that was taken last."""
        self.saving = False
        self.begun = True
        self.lost = not kept
