"""Handling of SIGTERM and SIGINT; imported first in every process, so it imports next to nothing."""

import os
import signal
from queue import Empty, SimpleQueue
from typing import Final

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Stopping:
    """Set by a signal handler, awaited by the main thread that the handler interrupts.

    Not a threading.Event: its set() deadlocks if it interrupts wait() while that holds its lock. SimpleQueue.put() is
    reentrant.
    """

    def __init__(self) -> None:
        self._requests: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        """Request that the process stops."""
        self._requests.put(None)

    def is_set(self) -> bool:
        """Return whether the process was requested to stop."""
        return not self._requests.empty()

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds` for a request to stop; return whether there was one."""
        try:
            self._requests.get(timeout=seconds)
        except Empty:
            return False
        self.set()
        return True


def exit_on_signals() -> None:
    """Exit with 0 on a signal, at once: the process has not started anything yet."""
    for number in _SIGNALS:
        signal.signal(number, lambda *_: os._exit(0))


def catch_signals() -> Stopping:
    """Return what signals set from now on instead of ending the process; call it on the main thread."""
    stopping = Stopping()
    for number in _SIGNALS:
        signal.signal(number, lambda *_: stopping.set())
    return stopping
