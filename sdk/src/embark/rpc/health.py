"""gRPC health of a server on threads: Check and Watch, and a drain that says NOT_SERVING before the server stops.

grpc_health's own HealthServicer holds its lock while it sends, and takes it again in the callback of a Watch that ends,
which runs on the one thread that completes sends: two watches, of which one starts while the other ends, stop the whole
server for good (https://github.com/grpc/grpc/pull/43403). Here no lock is held while anything is sent that a callback
takes.
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
        """Say SERVING to everyone who asks or watches."""
        self._announce(SERVING)

    def drain(self) -> bool:
        """Say NOT_SERVING to everyone who asks or watches, and end the watches: the server's stop waits for them.

        Returns:
            Whether anybody watched, and takes no further calls here once the news has arrived.
        """
        watches = self._announce(NOT_SERVING)
        for watch in watches:
            watch.end()
        return bool(watches)

    def Check(  # noqa: N802 - named by the proto
        self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext
    ) -> health_pb2.HealthCheckResponse:
        """Answer the status of one service."""
        status = self._status(request.service)
        if status is None:
            context.set_code(grpc.StatusCode.NOT_FOUND)
            context.set_details(f"no service {request.service!r} here")
        return health_pb2.HealthCheckResponse(status=status)

    @non_blocking
    def Watch(  # noqa: N802 - named by the proto
        self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext, send: _Send
    ) -> None:
        """Send the status of one service now and whenever it changes; returns at once and holds no thread."""
        watch = _Watch(lambda: self._status(request.service), send)
        with self._lock:
            self._watches.add(watch)
        if not context.add_callback(lambda: self._forget(watch)):
            self._forget(watch)
        watch.tell()

    def _status(self, service: str) -> int | None:
        with self._lock:
            return self._statuses.get(service)

    def _announce(self, status: int) -> "list[_Watch]":
        with self._lock:
            self._statuses = dict.fromkeys(self._statuses, status)
            watches = list(self._watches)
        for watch in watches:
            watch.tell()
        return watches

    def _forget(self, watch: "_Watch") -> None:
        watch.ended = True
        with self._lock:
            self._watches.discard(watch)


class _Watch:
    """One watching client; its lock keeps the order of what it is told, and no callback ever takes it."""

    def __init__(self, status: Callable[[], int | None], send: _Send) -> None:
        self._status = status
        self._send = send
        self._turn = threading.Lock()
        self._told: int | None = None
        self.ended = False

    def tell(self) -> None:
        with self._turn:
            status = self._status()
            status = _UNKNOWN if status is None else status
            if not self.ended and status != self._told:
                self._told = status
                self._send(health_pb2.HealthCheckResponse(status=status))

    def end(self) -> None:
        with self._turn:
            if not self.ended:
                self.ended = True
                self._send(None)
