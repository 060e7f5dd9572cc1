"""The second port of every service: `/metrics`, `/healthz` (alive) and `/readyz` (ready, or why not)."""

import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

Readiness = Callable[[], str]
"""Returns why the service is not ready; empty: it is."""


# How long close() may take; the standard library's half a second would be most of a service's stop.
_POLL_SECONDS: Final = 0.05


class Probes:
    """Serves the probes on a thread of its own from construction to close()."""

    def __init__(self, host: str, port: int, registry: CollectorRegistry, readiness: Readiness) -> None:
        self._server = ThreadingHTTPServer((host, port), _handler(registry, readiness))
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="probes", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(registry: CollectorRegistry, readiness: Readiness) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/healthz":
                self._answer(HTTPStatus.OK, "ok\n")
            elif self.path == "/readyz":
                reason = readiness()
                status = HTTPStatus.SERVICE_UNAVAILABLE if reason else HTTPStatus.OK
                self._answer(status, f"{reason or 'ok'}\n")
            elif self.path == "/metrics":
                encode, content_type = choose_encoder(self.headers.get("Accept", ""))
                self._answer_bytes(HTTPStatus.OK, encode(registry), content_type)
            else:
                self._answer(HTTPStatus.NOT_FOUND, "only /metrics, /healthz and /readyz\n")

        def log_message(self, *_: object) -> None:
            """Probes every few seconds are no news."""

        def _answer(self, status: HTTPStatus, text: str) -> None:
            self._answer_bytes(status, text.encode(), "text/plain; charset=utf-8")

        def _answer_bytes(self, status: HTTPStatus, body: bytes, content_type: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
