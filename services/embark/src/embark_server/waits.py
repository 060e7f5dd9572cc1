"""Look-ups that wait for their fills (wait_budget): a bounded number of them, each woken early when there is reason."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from embark_server.calls import Call
from embark_server.guarded_store import time_for_waiting
from embark_server.threads import stepping_aside

# Each waiting call holds a thread of the server and reads the store up to 20 times a second.
MAX_WAITING: Final = 32
FIRST_PAUSE: Final = 0.005
LONGEST_PAUSE: Final = 0.05


class Waiting:
    """The turn of one waiting call."""

    def __init__(self, until: float, wake: threading.Event, monotonic: Callable[[], float]) -> None:
        self._until = until
        self._wake = wake
        self._monotonic = monotonic
        self._pause = FIRST_PAUSE

    def pause(self) -> bool:
        """Wait until the store is worth reading again; return whether there is still reason to."""
        left = self._until - self._monotonic()
        if left <= 0:
            return False
        with stepping_aside():
            woken = self._wake.wait(min(self._pause, left))
        if woken:
            return False
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        return True


class Waits:
    """Gives at most `limit` calls at a time a turn to wait."""

    def __init__(self, limit: int = MAX_WAITING, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._wakes: set[threading.Event] = set()
        self._draining = False

    def __len__(self) -> int:
        return len(self._wakes)

    @contextmanager
    def turn(self, call: Call, budget: float) -> Iterator[Waiting | None]:
        """Give the call a turn of `budget` seconds within its deadline; None when too many wait, or none may."""
        until = self._monotonic() + min(budget, time_for_waiting(call.remaining()))
        wake = call.wake()
        with self._lock:
            admitted = not self._draining and len(self._wakes) < self._limit
            if admitted:
                self._wakes.add(wake)
        try:
            yield Waiting(until, wake, self._monotonic) if admitted else None
        finally:
            if admitted:
                with self._lock:
                    self._wakes.discard(wake)

    def drain(self) -> None:
        """Wake every waiting call and let no other wait."""
        with self._lock:
            self._draining = True
            wakes = list(self._wakes)
        for wake in wakes:
            wake.set()
