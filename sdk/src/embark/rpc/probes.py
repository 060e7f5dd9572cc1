"""The HTTP server on the second port of every service: `/metrics`, `/healthz`, `/readyz` and the service's pages."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from embark.errors import EmbArkError, UnavailableError

Readiness = Callable[[], str]
"""Returns why the service is not ready, or an empty text if it is."""
PageHandler = Callable[[str], str]
"""Handler of one path: gets the rest of the path and returns JSON, or raises EmbArkError."""


# The longest that close() waits; the default of half a second would be most of a service's stop.
_POLL_SECONDS: Final = 0.05


class Probes:
    """Serves the probes on its own thread from construction to close()."""

    def __init__(
        self,
        host: str,
        port: int,
        registry: CollectorRegistry,
        readiness: Readiness,
        pages: Mapping[str, PageHandler] | None = None,
    ) -> None:
        self._server = ThreadingHTTPServer((host, port), _handler(_Site(registry, readiness, pages or {})))
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="probes", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """The port on which the server listens."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Answer(NamedTuple):
    status: HTTPStatus
    body: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class _Site:
    """The response of each path."""

    registry: CollectorRegistry
    readiness: Readiness
    pages: Mapping[str, PageHandler]

    def answer(self, path: str, accept: str) -> _Answer:
        if path == "/healthz":
            return _text(HTTPStatus.OK, "ok")
        if path == "/readyz":
            reason = self.readiness()
            return _text(HTTPStatus.SERVICE_UNAVAILABLE if reason else HTTPStatus.OK, reason or "ok")
        if path == "/metrics":
            encode, content_type = choose_encoder(accept)
            return _Answer(HTTPStatus.OK, encode(self.registry), content_type)
        return self._page(*path.removeprefix("/").partition("/")[::2])

    def _page(self, name: str, rest: str) -> _Answer:
        if name not in self.pages:
            served = ", ".join(("/metrics", "/healthz", "/readyz", *(f"/{page}" for page in self.pages)))
            return _text(HTTPStatus.NOT_FOUND, f"not found; served are {served}")
        try:
            return _Answer(HTTPStatus.OK, self.pages[name](rest).encode(), "application/json")
        except UnavailableError as error:
            return _text(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        except EmbArkError as error:
            return _text(HTTPStatus.BAD_REQUEST, str(error))


def _text(status: HTTPStatus, text: str) -> _Answer:
    return _Answer(status, f"{text}\n".encode(), "text/plain; charset=utf-8")


def _handler(site: _Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = site.answer(self.path, self.headers.get("Accept", ""))
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            """Log nothing: there is a probe every few seconds."""

    return Handler
