"""How long to wait before the next attempt, at a key that failed or at a server that does not answer; pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from embark.spec import Retry

Jitter = Callable[[], float]
"""Returns a number in [0, 1)."""

# 2**32 initial backoffs are over every maximum that a spec accepts; it keeps the power of a long outage small.
_MAX_DOUBLINGS: Final = 32
# An outage is asked after more often than a key that failed: it ends for every key at once.
_OUTAGE_INITIAL: Final = 0.1
_OUTAGE_MAXIMUM: Final = 5.0


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


def key_backoff(retry: Retry, jitter: Jitter) -> Backoff:
    """Return the backoff of keys whose encode failed for a cause that may pass."""
    return Backoff(retry.initial_backoff.total_seconds(), retry.max_backoff.total_seconds(), jitter)


def outage_backoff(retry: Retry, jitter: Jitter) -> Backoff:
    """Return the backoff of calls of a server that does not answer."""
    initial = min(retry.initial_backoff.total_seconds(), _OUTAGE_INITIAL)
    return Backoff(initial, min(retry.max_backoff.total_seconds(), _OUTAGE_MAXIMUM), jitter)
