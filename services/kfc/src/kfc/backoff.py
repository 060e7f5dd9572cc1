"""How long to wait before the next attempt; pure, used by Flights for keys and by Outages for servers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

Jitter = Callable[[], float]
"""Returns a number in [0, 1)."""

# 2**32 initial backoffs are over every maximum that a spec accepts; it keeps the power of a long outage small.
_MAX_DOUBLINGS: Final = 32


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
