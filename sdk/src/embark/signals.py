"""What SIGTERM and SIGINT do to a process; every `__main__` calls it first, so it imports next to nothing."""

import os
import signal
from queue import Empty, SimpleQueue
from typing import Final

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Stopping:
    """Set by a signal handler, awaited by the main thread that the handler interrupts.

    Not a threading.Event: its set() waits for ever when it interrupts the moment in which wait() holds its lock.
    A SimpleQueue is made for that.
    """

    def __init__(self) -> None:
        self._asked: Final[SimpleQueue[None]] = SimpleQueue()

    def set(self) -> None:
        """Ask the process to stop."""
        self._asked.put(None)

    def is_set(self) -> bool:
        """Return whether the process is asked to stop."""
        return not self._asked.empty()

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds` until the process is asked to stop; return whether it is."""
        try:
            self._asked.get(timeout=seconds)
        except Empty:
            return False
        self.set()
        return True


def end_on_signals() -> None:
    """Let signals end the process with 0 at once: it has begun nothing yet that it would have to finish."""
    for number in _SIGNALS:
        signal.signal(number, lambda *_: os._exit(0))


def catch_signals() -> Stopping:
    """Return what signals set from now on, instead of ending the process; main thread only."""
    stopping = Stopping()
    for number in _SIGNALS:
        signal.signal(number, lambda *_: stopping.set())
    return stopping
