"""Keeps the lease on a thread of its own, so that a busy event loop never loses it; `__main__` starts it."""

import logging
import threading
from collections.abc import Callable
from typing import Final

from embark_operator.leader.leases import RETRY_SECONDS, Lease


class Leadership:
    """Renews the lease from start() to stop(), and says once when it is held, and once when it is lost."""

    def __init__(self, lease: Lease) -> None:
        self._lease: Final = lease
        self._log: Final = logging.getLogger(__name__)
        self._stopping: Final = threading.Event()
        self.held: Final = threading.Event()
        self.lost: Final = threading.Event()
        """Set for good when the lease was held and is not any more: the process must end."""
        self._guard: Final = threading.Lock()
        self._calls: Final[list[Callable[[], object]]] = []
        self._thread: Final = threading.Thread(target=self._keep, name="lease", daemon=True)

    def start(self) -> None:
        """Begin to try."""
        self._thread.start()

    def call_when_lost(self, call: Callable[[], object]) -> None:
        """Call `call` on the lease's thread when the lease is lost, or now if it is."""
        with self._guard:
            self._calls.append(call)
            if self.lost.is_set():
                call()

    def stop(self) -> None:
        """Give the lease up."""
        self._stopping.set()
        self._thread.join()
        self._lease.release()

    def _keep(self) -> None:
        while not self._stopping.is_set():
            holds = self._lease.renew()
            if holds and not self.held.is_set():
                self._log.info("this operator is the active one")
                self.held.set()
            elif self.held.is_set() and not holds:
                self._log.error("the lease is lost: another operator is the active one")
                with self._guard:
                    self.lost.set()
                    for call in self._calls:
                        call()
                return
            self._stopping.wait(RETRY_SECONDS)
