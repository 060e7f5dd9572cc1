"""Renews the lease on its own thread, so that a busy event loop never loses it."""

import logging
import threading
from collections.abc import Callable

from embark_operator.leader.leases import RETRY_SECONDS, Lease


class Leadership:
    """Renews the lease from start() to stop(); sets `held` when it is acquired and `lost` when it is lost."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._log = logging.getLogger(__name__)
        self._stopping = threading.Event()
        self.held = threading.Event()
        self.lost = threading.Event()
        """Set permanently when the lease was held and then lost: the process must exit."""
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], object]] = []
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def start(self) -> None:
        """Start to acquire and renew the lease."""
        self._thread.start()

    def call_when_lost(self, callback: Callable[[], object]) -> None:
        """Call `callback` on the lease's thread when the lease is lost, or now if it already is."""
        with self._lock:
            self._callbacks.append(callback)
            if self.lost.is_set():
                callback()

    def stop(self) -> None:
        """Stop renewing, and release the lease."""
        self._stopping.set()
        self._thread.join()
        self._lease.release()

    def _keep(self) -> None:
        while not self._stopping.is_set():
            holds = self._lease.renew()
            if holds and not self.held.is_set():
                self._log.info("acquired the lease; this operator is active")
                self.held.set()
            elif self.held.is_set() and not holds:
                self._log.error("lost the lease; another operator is active")
                with self._lock:
                    self.lost.set()
                    for callback in self._callbacks:
                        callback()
                return
            self._stopping.wait(RETRY_SECONDS)
