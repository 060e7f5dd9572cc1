"""A channel and its stub, replaced when the certificates are renewed."""

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

_CHECK_SECONDS: Final = 1.0
# Longer than any call except a stream. Closing a channel cancels its calls, so a replaced one is closed later.
_RETIRED_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class ClientTls:
    """How a client verifies a server, and the certificate that it presents.

    `server_name` is a name in the server's certificate; empty: the name in the target.
    """

    files: CertificateFiles
    server_name: str = ""


class Link(Generic[C, S]):
    """Holds the stub for calls; `connect` gets the credentials of a new channel, or None for plain text.

    `close_channel` closes a channel ten minutes after it was replaced.

    Raises:
        CertificateError: a file of `tls` cannot be used.
    """

    def __init__(
        self,
        tls: ClientTls | None,
        connect: Callable[[grpc.ChannelCredentials | None], C],
        create_stub: Callable[[C], S],
        close_channel: Callable[[C], object],
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._watcher = watch_certificates(tls.files) if tls else None
        self._connect = connect
        self._create_stub = create_stub
        self._close_channel = close_channel
        self._seconds = seconds
        self._lock = threading.Lock()
        self._next_check = seconds() + _CHECK_SECONDS
        self._retired: deque[tuple[float, C]] = deque()
        self._closed = False
        self._channel = connect(_credentials(self._watcher.current) if self._watcher else None)
        self._stub = create_stub(self._channel)

    @property
    def stub(self) -> S:
        """The stub for the next call."""
        if self._watcher is not None and self._seconds() >= self._next_check:
            self._renew(self._watcher)
        return self._stub

    def close(self) -> list[C]:
        """Stop creating channels; return the open ones for the caller to close."""
        with self._lock:
            self._closed = True
            return [*(channel for _, channel in self._retired), self._channel]

    def _renew(self, watcher: FileWatcher[Certificates]) -> None:
        with self._lock:
            now = self._seconds()
            if self._closed or now < self._next_check:
                return
            self._next_check = now + _CHECK_SECONDS
            while self._retired and self._retired[0][0] <= now:
                self._close_channel(self._retired.popleft()[1])
            if not watcher.renew():
                return
            self._retired.append((now + _RETIRED_SECONDS, self._channel))
            self._channel = self._connect(_credentials(watcher.current))
            self._stub = self._create_stub(self._channel)


def _credentials(found: Certificates) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(found.authority, found.private_key, found.certificate)
