"""A limit on how many keys are encoded a second; the re-embedding takes from it before every Encode call."""

import threading
from collections.abc import Callable
from typing import Final

from kfc.calls import Timer

# What was not used is kept for so long: a pause of the scan is caught up with, an outage is not.
_BURST_SECONDS: Final = 1.0


class RateLimit:
    """A token bucket, empty at first; thread-safe.

    `rate` is in keys a second, 0 for no limit. `sleep` waits for so many seconds, or raises to give up waiting.
    """

    def __init__(self, rate: float, timer: Timer, sleep: Callable[[float], None]) -> None:
        self._rate: Final = rate
        self._timer: Final = timer
        self._sleep: Final = sleep
        self._lock = threading.Lock()
        self._tokens = 0.0
        self._at = timer()

    def take(self, keys: int) -> None:
        """Wait until so many keys may be encoded; raises what `sleep` raises."""
        if self._rate > 0:
            self._sleep(self._debt(keys) / self._rate)

    def _debt(self, keys: int) -> float:
        # A caller takes its tokens at once, in advance where there are too few: so callers wait one after the other.
        with self._lock:
            now = self._timer()
            self._tokens = min(self._tokens + (now - self._at) * self._rate, self._rate * _BURST_SECONDS) - keys
            self._at = now
            return max(0.0, -self._tokens)
