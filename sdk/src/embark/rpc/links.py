"""A channel and the stub on it, made anew when the certificates that it was made with are renewed; clients hold one."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import grpc

from embark.files import FileWatcher
from embark.rpc.certificates import CertificateFiles, Certificates, watch_certificates

C = TypeVar("C")
S = TypeVar("S")

_LOOK_SECONDS: Final = 1.0
# Longer than any call but a stream takes. A channel that is left cannot be closed at once: that cancels its calls.
_LEFT_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class ClientTls:
    """How a client of a secured server knows it, and what it shows of itself.

    `server_name` is a name of the server's certificate; empty: the one that it is called by.
    """

    files: CertificateFiles
    server_name: str = ""


class Link(Generic[C, S]):
    """Gives the stub to call with; `connect` is given the credentials of a new channel, None: plain text.

    `let_go` closes a channel that has not been called on for ten minutes.

    Raises:
        CertificateError: a file of `tls` cannot be used.
    """

    def __init__(
        self,
        tls: ClientTls | None,
        connect: Callable[[grpc.ChannelCredentials | None], C],
        make_stub: Callable[[C], S],
        let_go: Callable[[C], object],
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._watcher = watch_certificates(tls.files) if tls else None
        self._connect = connect
        self._make_stub = make_stub
        self._let_go = let_go
        self._seconds = seconds
        self._lock = threading.Lock()
        self._next_look = seconds() + _LOOK_SECONDS
        self._left: deque[tuple[float, C]] = deque()
        self._closed = False
        self._channel = connect(_credentials(self._watcher.current) if self._watcher else None)
        self._stub = make_stub(self._channel)

    @property
    def stub(self) -> S:
        """The stub for the next call."""
        if self._watcher is not None and self._seconds() >= self._next_look:
            self._renew(self._watcher)
        return self._stub

    def close(self) -> list[C]:
        """Make no more channels, and return those that are there, for the caller to close."""
        with self._lock:
            self._closed = True
            return [*(channel for _, channel in self._left), self._channel]

    def _renew(self, watcher: FileWatcher[Certificates]) -> None:
        with self._lock:
            now = self._seconds()
            if self._closed or now < self._next_look:
                return
            self._next_look = now + _LOOK_SECONDS
            while self._left and self._left[0][0] <= now:
                self._let_go(self._left.popleft()[1])
            if not watcher.renew():
                return
            self._left.append((now + _LEFT_SECONDS, self._channel))
            self._channel = self._connect(_credentials(watcher.current))
            self._stub = self._make_stub(self._channel)


def _credentials(found: Certificates) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(found.authority, found.private_key, found.certificate)
