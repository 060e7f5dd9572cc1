"""Keys whose encode failed for a cause that may pass, and when each is due again; pure, used by the re-embedding."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kfc.backoff import Backoff
from kfc.reembed.ranges import PageWork


@dataclass(slots=True, eq=False)
class ReembedItem:
    """A key to encode for a page; `lasting` where a failure of it counts, for the source has an embedding."""

    key: str
    page: PageWork
    lasting: bool
    attempts: int = 0


class Attempts:
    """Holds items until they are due. Times are seconds of whatever clock the caller uses; nothing here reads one."""

    def __init__(self, most: int, backoff: Backoff) -> None:
        self._most: Final = most
        self._backoff: Final = backoff
        self._waiting: list[tuple[float, int, ReembedItem]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def fail(self, item: ReembedItem, now: float) -> bool:
        """Count an attempt; return whether the item waits for another one. False: its attempts are used up."""
        item.attempts += 1
        if item.attempts >= self._most:
            return False
        self._count += 1
        heapq.heappush(self._waiting, (now + self._backoff.delay(item.attempts), self._count, item))
        return True

    def take(self, now: float) -> Sequence[ReembedItem]:
        """Remove and return what is due."""
        due = []
        while self._waiting and self._waiting[0][0] <= now:
            due.append(heapq.heappop(self._waiting)[2])
        return due

    def seconds_left(self, now: float, most: float) -> float:
        """Return how long it is until an item is due, `most` at most."""
        return min(most, max(0.0, self._waiting[0][0] - now)) if self._waiting else most
