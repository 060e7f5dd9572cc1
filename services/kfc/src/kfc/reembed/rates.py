"""The limit on how many keys a re-embedding encodes a second."""

from collections.abc import Callable
from math import inf
from typing import Final

from embark.clock import Micros
from embark.rates import TokenBucket
from kfc.runtime import Timer

# Seconds of unused rate that are kept: a pause of the scan is caught up with, an outage is not.
_BURST_SECONDS: Final = 0.2
# Keys that are encoded together are written together, and other requests to the store wait behind that many rows.
_TOGETHER_SECONDS: Final = 0.01
_STEP_SECONDS: Final = 0.05


class RateLimit:
    """A token bucket that is empty at first, and waits; thread-safe.

    `max_rate` is in keys a second, inf for no limit, and caps whatever `rate` is set to. `sleep` waits for a number of
    seconds, or raises to give up waiting.
    """

    def __init__(self, max_rate: float, timer: Timer, sleep: Callable[[float], None]) -> None:
        self._max_rate = max_rate
        self._timer = timer
        self._sleep = sleep
        self._bucket = TokenBucket(max_rate, max_rate * _BURST_SECONDS, tokens=0)
        self._bucket.set_rate(max_rate, max_rate * _BURST_SECONDS, self._now())

    @property
    def taken(self) -> int:
        """How many keys were taken so far."""
        return self._bucket.taken

    @property
    def rate(self) -> float:
        """Keys a second; 0: nothing may be taken now."""
        return self._bucket.rate

    @rate.setter
    def rate(self, rate: float) -> None:
        rate = min(rate, self._max_rate)
        self._bucket.set_rate(rate, rate * _BURST_SECONDS, self._now())

    def batch_size(self, max_keys: int) -> int:
        """Return how many keys to take at a time, at most `max_keys`: few at a low rate, so that no burst comes."""
        rate = self.rate
        return max_keys if rate in (0, inf) else max(1, min(max_keys, int(rate * _TOGETHER_SECONDS)))

    def take(self, keys: int) -> None:
        """Wait until `keys` keys may be encoded; raises what `sleep` raises."""
        while (wait := self._bucket.take_in_advance(keys, self._now())) is None:
            self._sleep(_STEP_SECONDS)
        self._sleep(wait)

    def _now(self) -> Micros:
        return int(self._timer() * 1e6)
