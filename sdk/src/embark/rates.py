"""A token bucket."""

import threading
from math import inf

from embark.clock import Micros

_SECOND: Micros = 1_000_000
# Earned tokens are sums of fractions; a whole token may be short of 1 by their rounding.
_ROUNDING = 1e-9


class TokenBucket:
    """Tokens that are earned at `rate` a second and kept up to `burst`; thread-safe.

    The bucket starts with `tokens`, all of `burst` if None. The rate may be 0 (nothing is earned) and inf (no limit).
    Times are passed in, in microseconds: a clock that was set back neither earns tokens nor takes any.
    """

    def __init__(self, rate: float, burst: float, tokens: float | None = None) -> None:
        self._lock = threading.Lock()
        self._rate = rate
        self._burst = burst
        self._tokens = burst if tokens is None else tokens
        self._at: Micros | None = None
        self.taken = 0
        """How many tokens were taken so far."""

    @property
    def rate(self) -> float:
        """Tokens earned a second."""
        return self._rate

    def set_rate(self, rate: float, burst: float, now: Micros) -> None:
        """Earn `rate` tokens a second from `now` on, and keep at most `burst`."""
        with self._lock:
            self._earn(now)
            self._rate, self._burst = rate, burst

    def take_up_to(self, wanted: int, now: Micros) -> int:
        """Take as many of `wanted` tokens as there are; return how many."""
        with self._lock:
            self._earn(now)
            taken = wanted
            if self._rate < inf:
                taken = max(0, min(wanted, int(self._tokens + _ROUNDING)))
                self._tokens -= taken
            self.taken += taken
            return taken

    def take_in_advance(self, tokens: int, now: Micros) -> float | None:
        """Take tokens, also those not earned yet; return the seconds until they are, or None if the rate is 0.

        Callers that wait this long proceed in the order in which they called. None takes nothing.
        """
        with self._lock:
            self._earn(now)
            if self._rate == 0:
                return None
            self.taken += tokens
            if self._rate == inf:
                return 0.0
            self._tokens -= tokens
            return max(0.0, -self._tokens / self._rate)

    def _earn(self, now: Micros) -> None:
        passed = 0 if self._at is None else max(0, now - self._at)
        self._at = now
        if 0 < self._rate < inf:
            self._tokens = min(self._burst, self._tokens + passed * self._rate / _SECOND)
