"""Lookups that wait for their fills (wait_budget): bounded in number, and woken early when the call ends."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from embark_server.calls import CallContext
from embark_server.guarded_store import time_for_waiting
from embark_server.threads import yielding_slot

_FIRST_PAUSE: Final = 0.005
_MAX_PAUSE: Final = 0.05


class Wait:
    """The wait of one admitted call."""

    def __init__(self, until: float, wake: threading.Event, monotonic: Callable[[], float]) -> None:
        self._until = until
        self._wake = wake
        self._monotonic = monotonic
        self._pause = _FIRST_PAUSE

    def pause(self) -> bool:
        """Wait until the store is worth reading again; return False once the wait is over."""
        left = self._until - self._monotonic()
        if left <= 0:
            return False
        with yielding_slot():
            woken = self._wake.wait(min(self._pause, left))
        if woken:
            return False
        self._pause = min(2 * self._pause, _MAX_PAUSE)
        return True


class Waits:
    """Lets at most `limit` calls wait at a time."""

    def __init__(self, limit: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._wakes: set[threading.Event] = set()
        self._draining = False

    def __len__(self) -> int:
        return len(self._wakes)

    @contextmanager
    def admit(self, call: CallContext, budget: float) -> Iterator[Wait | None]:
        """Let the call wait for `budget` seconds within its deadline; None if too many calls wait, or on drain."""
        until = self._monotonic() + min(budget, time_for_waiting(call.remaining()))
        wake = call.wake_event()
        with self._lock:
            admitted = not self._draining and len(self._wakes) < self._limit
            if admitted:
                self._wakes.add(wake)
        try:
            yield Wait(until, wake, self._monotonic) if admitted else None
        finally:
            if admitted:
                with self._lock:
                    self._wakes.discard(wake)

    def drain(self) -> None:
        """Wake every waiting call and admit no others."""
        with self._lock:
            self._draining = True
            wakes = list(self._wakes)
        for wake in wakes:
            wake.set()
