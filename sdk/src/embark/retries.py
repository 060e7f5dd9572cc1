"""Retries with exponential backoff: when to try again what has failed."""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
Jitter = Callable[[], float]
"""Returns a number in [0, 1)."""

# 2**32 times the initial backoff exceeds every maximum that a spec accepts; it bounds the power in a long outage.
_MAX_DOUBLINGS = 32


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff in seconds: `initial`, doubled each time up to `maximum`, less up to half of it by jitter.

    Half of the wait is kept and the other half is random, so that many keys of one origin do not come back at once
    ("equal jitter", AWS Architecture Blog, Exponential Backoff and Jitter, 2015).
    """

    initial: float
    maximum: float
    jitter: Jitter

    def delay(self, failures: int) -> float:
        """Return the seconds to wait after `failures` (at least 1) failures in a row."""
        full = min(self.initial * 2.0 ** min(failures - 1, _MAX_DOUBLINGS), self.maximum)
        return full * (1.0 + self.jitter()) / 2.0


class Retries(Generic[T]):
    """Holds failed items until their next attempt is due.

    Times are seconds of any clock that the caller uses throughout; nothing here reads one. Items that are due at the
    same time leave in the order in which they failed, and are never compared.
    """

    def __init__(self, max_attempts: int, backoff: Backoff) -> None:
        self._max_attempts = max_attempts
        self._backoff = backoff
        self._waiting: list[tuple[float, int, T]] = []
        self._count = 0

    def __len__(self) -> int:
        """Return how many items wait."""
        return len(self._waiting)

    def schedule(self, item: T, failures: int, now: float) -> bool:
        """Hold an item that has failed `failures` times; False: its attempts are used up, and it is not held."""
        if failures >= self._max_attempts:
            return False
        self._count += 1
        heapq.heappush(self._waiting, (now + self._backoff.delay(failures), self._count, item))
        return True

    def take_due(self, now: float) -> Sequence[T]:
        """Remove and return the items that are due."""
        due = []
        while self._waiting and self._waiting[0][0] <= now:
            due.append(heapq.heappop(self._waiting)[2])
        return due

    @property
    def next_due(self) -> float | None:
        """When the first item is due; None: no item waits."""
        return self._waiting[0][0] if self._waiting else None

    def seconds_until_due(self, now: float, limit: float) -> float:
        """Return the seconds until an item is due, at most `limit`."""
        due = self.next_due
        return limit if due is None else min(limit, max(0.0, due - now))
