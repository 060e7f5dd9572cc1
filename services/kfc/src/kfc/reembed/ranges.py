"""The ranges and pages in progress, and the checkpoints that they allow."""

from collections import deque
from dataclasses import dataclass, field

from embark.store import RangeProgress


@dataclass(slots=True, eq=False)
class PageWork:
    """A page; `left` of its keys are neither done nor failed yet."""

    range: "RangeWork"
    cursor: int
    left: int
    done: int = 0
    failed: int = 0

    def settle(self, *, done: int = 0, failed: int = 0) -> None:
        """Count keys that are done (their rows are acknowledged) or have failed."""
        self.left -= done + failed
        self.done += done
        self.failed += failed


@dataclass(slots=True, eq=False)
class ReembedItem:
    """A key to encode for a page; `required` if the source has an embedding of it, so that a failure counts."""

    key: str
    page: PageWork
    required: bool
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class PendingCheckpoint:
    """A checkpoint to save, and the number of keys in the pages that it adds."""

    range: "RangeWork"
    progress: RangeProgress
    done: int
    failed: int


@dataclass(slots=True, eq=False)
class RangeWork:
    """A range in progress; `lost` once another process is ahead. At most one of its checkpoints is saved at a time."""

    progress: RangeProgress
    begun: bool
    """Whether the store has a checkpoint of it."""
    saving: bool = False
    lost: bool = False
    pages: deque[PageWork] = field(default_factory=deque)

    def add(self, page: PageWork) -> PageWork:
        """Append a page to those in progress."""
        self.pages.append(page)
        return page

    def take_checkpoint(self) -> PendingCheckpoint | None:
        """Return the checkpoint after the leading finished pages.

        None if there is none, or while the previous one is being saved, until complete_checkpoint().
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
        return PendingCheckpoint(self, self.progress, done, failed)

    def complete_checkpoint(self, *, saved: bool) -> None:
        """Record whether the store saved the checkpoint that was taken last, or has one of another process."""
        self.saving = False
        self.begun = True
        self.lost = not saved
