"""The breaker between look-ups and the store: while the store is lost, one call at a time tries it, no other waits."""

import threading
from typing import Final

from embark.clock import Micros

FAILURES: Final = 3
PROBE_EVERY: Final[Micros] = 250_000


class Breaker:
    """Opens after `failures` failures in a row; from then on lets one call through each `probe_every` microseconds.

    Every call that was allowed reports exactly one of succeeded, failed and abandoned. Time is passed in.
    """

    def __init__(self, failures: int = FAILURES, probe_every: Micros = PROBE_EVERY) -> None:
        self._failures = failures
        self._probe_every = probe_every
        self._lock = threading.Lock()
        self._failed = 0
        self._open = False
        self._probing = False
        self._next_probe: Micros = 0

    @property
    def open(self) -> bool:
        """Whether calls are turned away."""
        return self._open

    def allow(self, now: Micros) -> bool:
        """Return whether a call may ask the store now."""
        with self._lock:
            if not self._open:
                return True
            # A clock that was set back must not hold the probes off for longer than one step of them.
            due = now >= self._next_probe or now < self._next_probe - self._probe_every
            if self._probing or not due:
                return False
            self._probing = True
            return True

    def succeeded(self) -> bool:
        """Report an answer of the store; return whether it closed the breaker."""
        with self._lock:
            closed = self._open
            self._failed = 0
            self._open = self._probing = False
            return closed

    def failed(self, now: Micros) -> bool:
        """Report that the store failed or was too slow; return whether it opened the breaker."""
        with self._lock:
            self._failed += 1
            self._probing = False
            opened = not self._open and self._failed >= self._failures
            if opened or self._open:
                self._open = True
                self._next_probe = now + self._probe_every
            return opened

    def abandoned(self) -> None:
        """Report a call that says nothing about the store, as its caller gave it too little time."""
        with self._lock:
            self._probing = False
