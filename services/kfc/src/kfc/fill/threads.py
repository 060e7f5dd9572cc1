"""The threads of KFC: a fault of the program in one of them stops KFC and is kept, for readiness to name it."""

import logging
import threading
from collections.abc import Callable
from typing import Final

from embark.errors import ClosedError
from kfc.calls import Timer
from kfc.outages import StoppedError


class Threads:
    """Starts threads; `stop` is called, on the failing thread, when one ends by an exception that nobody expects."""

    def __init__(self, stopping: threading.Event, stop: Callable[[], None]) -> None:
        self._stopping: Final = stopping
        self._stop: Final = stop
        self._log: Final = logging.getLogger(__name__)
        self.failure: Exception | None = None

    def start(self, name: str, body: Callable[[], None]) -> threading.Thread:
        """Start `body` on a thread; a daemon, so that a call that never ends does not keep the process."""
        thread = threading.Thread(target=self.guard, args=(body,), name=name, daemon=True)
        thread.start()
        return thread

    def guard(self, body: Callable[[], None]) -> None:
        """Run `body`; being stopped is a good end of it, and so is a store that was closed after KFC had stopped."""
        try:
            body()
        except StoppedError:
            return
        except ClosedError as error:
            if not self._stopping.is_set():
                self._fail(error)
        except Exception as error:  # noqa: BLE001 - kept, logged and shown: a thread has nobody to raise it to
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.failure = error
        message = "KFC stops: a fault of the program, not of a record or a server"
        self._log.error(message, exc_info=error)
        self._stop()


def join_all(threads: list[threading.Thread], seconds: float, timer: Timer) -> bool:
    """Wait up to `seconds` for all threads together; return whether they ended."""
    deadline = timer() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - timer()))
    return not any(thread.is_alive() for thread in threads)
