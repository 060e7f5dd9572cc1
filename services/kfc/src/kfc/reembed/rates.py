"""A limit on how many keys are encoded a second; the re-embedding takes from it before every Encode call."""

import threading
from collections.abc import Callable
from math import inf
from typing import Final

from kfc.calls import Timer

# What was not used is kept for so long: a pause of the scan is caught up with, an outage is not.
_BURST_SECONDS: Final = 0.2
# What is encoded together is written together, and whoever else asks the store then waits for so many rows.
_TOGETHER_SECONDS: Final = 0.01
_STEP_SECONDS: Final = 0.05


class RateLimit:
    """A token bucket, empty at first; thread-safe.

    `most` is in keys a second, inf for no limit, and holds whatever `rate` is set to. `sleep` waits for so many
    seconds, or raises to give up waiting.
    """

    def __init__(self, most: float, timer: Timer, sleep: Callable[[float], None]) -> None:
        self._most: Final = most
        self._timer: Final = timer
        self._sleep: Final = sleep
        self._lock = threading.Lock()
        self._rate = most
        self._tokens = 0.0
        self._at = timer()
        self.taken = 0
        """How many keys were taken so far."""

    @property
    def rate(self) -> float:
        """Keys a second; 0: nothing may be taken now."""
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        with self._lock:
            self._settle()
            self._rate = min(rate, self._most)

    def portion(self, most: int) -> int:
        """Return how many keys to take at a time, up to `most`: few where the limit is low, so that no burst comes."""
        rate = self._rate
        return most if rate in (0, inf) else max(1, min(most, int(rate * _TOGETHER_SECONDS)))

    def take(self, keys: int) -> None:
        """Wait until so many keys may be encoded; raises what `sleep` raises."""
        while (wait := self._debt(keys)) is None:
            self._sleep(_STEP_SECONDS)
        self._sleep(wait)

    def _debt(self, keys: int) -> float | None:
        # A caller takes its tokens at once, in advance where there are too few: so callers wait one after the other.
        with self._lock:
            self._settle()
            rate = self._rate
            if rate == 0:
                return None
            self.taken += keys
            if rate == inf:
                return 0.0
            self._tokens -= keys
            return max(0.0, -self._tokens / rate)

    def _settle(self) -> None:
        """Take note of what the rate has allowed since the last time."""
        now, rate = self._timer(), self._rate
        if 0 < rate < inf:
            self._tokens = min(self._tokens + (now - self._at) * rate, rate * _BURST_SECONDS)
        self._at = now
