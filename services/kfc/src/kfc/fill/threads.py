"""The threads of KFC; an unexpected error in one of them stops KFC and is kept, for readiness to name it."""

import logging
import threading
from collections.abc import Callable

from embark.errors import ClosedError
from kfc.outages import StoppedError
from kfc.runtime import Timer


class Threads:
    """Starts threads; `stop` is called, on the failing thread, when one ends with an unexpected error."""

    def __init__(self, stopping: threading.Event, stop: Callable[[], None]) -> None:
        self._stopping = stopping
        self._stop = stop
        self._log = logging.getLogger(__name__)
        self.failure: Exception | None = None

    def start(self, name: str, body: Callable[[], None]) -> threading.Thread:
        """Start `body` on a daemon thread, so that a call that never returns does not keep the process alive."""
        thread = threading.Thread(target=self.guard, args=(body,), name=name, daemon=True)
        thread.start()
        return thread

    def guard(self, body: Callable[[], None]) -> None:
        """Run `body`; StoppedError is expected, and so is a store that was closed after KFC stopped."""
        try:
            body()
        except StoppedError:
            return
        except ClosedError as error:
            if not self._stopping.is_set():
                self._fail(error)
        except Exception as error:  # noqa: BLE001 - kept, logged and shown: a thread has no caller
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.failure = error
        message = "KFC stops after an unexpected error, which is neither a record's nor a server's"
        self._log.error(message, exc_info=error)
        self._stop()


def join_all(threads: list[threading.Thread], seconds: float, timer: Timer) -> bool:
    """Wait up to `seconds` for all threads together; return whether all have ended."""
    deadline = timer() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - timer()))
    return not any(thread.is_alive() for thread in threads)
