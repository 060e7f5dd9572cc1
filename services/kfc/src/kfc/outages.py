"""Outages of the servers that KFC depends on: calls are retried until they end, and readiness names them."""

import logging
import threading
from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

from embark.errors import UnavailableError
from embark.retries import Backoff
from kfc.metrics import KfcMetrics

T = TypeVar("T")


class Server(StrEnum):
    """A server that KFC depends on."""

    RETINA = "retina"
    STORE = "store"
    TOPIC = "topic"
    DEAD_LETTERS = "dead letters"


class StoppedError(Exception):
    """KFC stops: the call that waited is abandoned."""


class Outages:
    """The current outages; thread-safe. An outage is not an attempt: the same call is retried until it succeeds."""

    def __init__(self, backoff: Backoff, stopping: threading.Event, metrics: KfcMetrics) -> None:
        self._backoff = backoff
        self._stopping = stopping
        self._metrics = metrics
        self._log = logging.getLogger(__name__)
        self._lock = threading.Lock()
        self._reasons: dict[Server, str] = {}

    def retry_until_up(self, server: Server, call: Callable[[], T]) -> T:
        """Return the result of `call`, retrying as long as it raises UnavailableError.

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
                self.end(server)
                return result

    def wait(self, server: Server, error: UnavailableError, failures: int) -> None:
        """Record an outage and wait for the backoff after `failures` failures in a row.

        Raises:
            StoppedError: KFC stops.
        """
        reason = _reason(server, error)
        with self._lock:
            changed = self._reasons.get(server) != reason
            self._reasons[server] = reason
        if changed:
            self._log.warning("%s; retrying until it answers", reason, extra={"server": server.value})
        self.pause(self._backoff.delay(failures))
        self._metrics.retries.labels(server.value).inc()

    def pause(self, seconds: float) -> None:
        """Wait without an outage; with 0 seconds, only check whether KFC stops.

        Raises:
            StoppedError: KFC stops.
        """
        if self._stopping.wait(seconds):
            raise StoppedError

    def end(self, server: Server) -> None:
        """Record that the server answers."""
        with self._lock:
            reason = self._reasons.pop(server, None)
        if reason is not None:
            self._log.info("%s answers again", server.value, extra={"server": server.value})

    def reasons(self) -> str:
        """Return which servers do not answer, and why; empty if there is no known outage."""
        with self._lock:
            return "; ".join(self._reasons[server] for server in Server if server in self._reasons)


def _reason(server: Server, error: UnavailableError) -> str:
    detail = str(error).removeprefix(f"{error.server}: ")
    return f"retina unreachable: {detail}" if server is Server.RETINA else f"{server.value}: {detail}"
