"""gRPC health of a server on threads: Check and Watch, and a drain that reports NOT_SERVING before the server stops.

grpc_health's own HealthServicer holds its lock while it sends, and takes it again in the callback of a Watch that ends.
That callback runs on the one thread that completes sends, so a watch that starts while another one ends deadlocks the
whole server (https://github.com/grpc/grpc/pull/43403). Here no callback takes a lock that is held while sending.
"""

import threading
from collections.abc import Callable, Iterable
from typing import Final

import grpc
from grpc_health.v1 import health_pb2

from embark.rpc.grpc_internals import non_blocking

_Send = Callable[[health_pb2.HealthCheckResponse | None], None]

SERVING: Final = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING: Final = health_pb2.HealthCheckResponse.NOT_SERVING
_UNKNOWN: Final = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class Health:
    """The health of `services` and of the server as a whole (""); NOT_SERVING until serve()."""

    def __init__(self, services: Iterable[str]) -> None:
        self._lock = threading.Lock()
        self._statuses: dict[str, int] = dict.fromkeys(["", *services], NOT_SERVING)
        self._watches: set[_Watch] = set()

    def serve(self) -> None:
        """Report SERVING to all clients."""
        self._set_status(SERVING)

    def drain(self) -> bool:
        """Report NOT_SERVING to all clients and end the watches, which the server's stop would wait for.

        Returns:
            Whether any client was watching, which stops calling this server once it is notified.
        """
        watches = self._set_status(NOT_SERVING)
        for watch in watches:
            watch.end()
        return bool(watches)

    def Check(  # noqa: N802 - named by the proto
        self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext
    ) -> health_pb2.HealthCheckResponse:
        """Return the status of one service."""
        status = self._status(request.service)
        if status is None:
            context.set_code(grpc.StatusCode.NOT_FOUND)
            context.set_details(f"unknown service {request.service!r}")
        return health_pb2.HealthCheckResponse(status=status)

    @non_blocking
    def Watch(  # noqa: N802 - named by the proto
        self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext, send: _Send
    ) -> None:
        """Send the status of one service now and whenever it changes; return at once and hold no thread."""
        watch = _Watch(lambda: self._status(request.service), send)
        with self._lock:
            self._watches.add(watch)
        if not context.add_callback(lambda: self._forget(watch)):
            self._forget(watch)
        watch.notify()

    def _status(self, service: str) -> int | None:
        with self._lock:
            return self._statuses.get(service)

    def _set_status(self, status: int) -> "list[_Watch]":
        with self._lock:
            self._statuses = dict.fromkeys(self._statuses, status)
            watches = list(self._watches)
        for watch in watches:
            watch.notify()
        return watches

    def _forget(self, watch: "_Watch") -> None:
        watch.ended = True
        with self._lock:
            self._watches.discard(watch)


class _Watch:
    """One watching client; its lock keeps the order of the sent statuses, and no callback takes it."""

    def __init__(self, status: Callable[[], int | None], send: _Send) -> None:
        self._status = status
        self._send = send
        self._sending = threading.Lock()
        self._sent: int | None = None
        self.ended = False

    def notify(self) -> None:
        with self._sending:
            status = self._status()
            status = _UNKNOWN if status is None else status
            if not self.ended and status != self._sent:
                self._sent = status
                self._send(health_pb2.HealthCheckResponse(status=status))

    def end(self) -> None:
        with self._sending:
            if not self.ended:
                self.ended = True
                self._send(None)
