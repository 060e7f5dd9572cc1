"""Waits for servers that do not answer, for ever, and says which those are: for readiness, logs and metrics."""

import logging
import threading
from collections.abc import Callable
from enum import StrEnum
from typing import Final, TypeVar

from embark.errors import UnavailableError
from embark.retries import Backoff
from kfc.metrics import KfcMetrics

T = TypeVar("T")


class Server(StrEnum):
    """What KFC depends on."""

    RETINA = "retina"
    STORE = "store"
    TOPIC = "topic"
    DEAD_LETTERS = "dead letters"


class StoppedError(Exception):
    """Raised instead of waiting on once KFC stops; what was asked for is abandoned."""


class Outages:
    """Thread-safe. An outage is never an attempt: the same call is made again until it succeeds."""

    def __init__(self, backoff: Backoff, stopping: threading.Event, metrics: KfcMetrics) -> None:
        self._backoff: Final = backoff
        self._stopping: Final = stopping
        self._metrics: Final = metrics
        self._log: Final = logging.getLogger(__name__)
        self._lock = threading.Lock()
        self._reasons: dict[Server, str] = {}

    def retry_until_up(self, server: Server, call: Callable[[], T]) -> T:
        """Return what `call` returns, making it again as long as it raises UnavailableError.

        Raises:
            StoppedError: KFC stops, and the last call failed.
        """
        failures = 0
        while True:
            try:
                result = call()
            except UnavailableError as error:
                failures += 1
                self.wait(server, error, failures)
            else:
                self.over(server)
                return result

    def wait(self, server: Server, error: UnavailableError, failures: int) -> None:
        """Take note of an outage and wait for the time after `failures` in a row.

        Raises:
            StoppedError: KFC stops.
        """
        reason = _reason(server, error)
        with self._lock:
            news = self._reasons.get(server) != reason
            self._reasons[server] = reason
        if news:
            self._log.warning("%s; retrying until it answers", reason, extra={"server": server.value})
        self.pause(self._backoff.delay(failures))
        self._metrics.retries.labels(server.value).inc()

    def pause(self, seconds: float) -> None:
        """Wait so long for a reason that is no outage; 0 only asks whether to go on.

        Raises:
            StoppedError: KFC stops.
        """
        if self._stopping.wait(seconds):
            raise StoppedError

    def over(self, server: Server) -> None:
        """Take note that the server answers."""
        with self._lock:
            reason = self._reasons.pop(server, None)
        if reason is not None:
            self._log.info("%s answers again", server.value, extra={"server": server.value})

    def reasons(self) -> str:
        """Return which servers do not answer now, and why; empty: all do, as far as is known."""
        with self._lock:
            return "; ".join(self._reasons[server] for server in Server if server in self._reasons)


def _reason(server: Server, error: UnavailableError) -> str:
    detail = str(error).removeprefix(f"{error.server}: ")
    return f"retina unreachable: {detail}" if server is Server.RETINA else f"{server.value}: {detail}"
