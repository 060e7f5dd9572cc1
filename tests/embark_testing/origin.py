"""An HTTP origin of the sample photographs that counts requests and can hold back its answers."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

PHOTOS = Path(__file__).parents[2] / "samples" / "photos"


class Origin:
    """Serves samples/photos; any query string after a photograph's name makes another key of the same bytes."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self._server = server
        self.requested: Counter[str] = Counter()
        self.answering = threading.Event()
        self.answering.set()
        self._lock = threading.Lock()

    @classmethod
    @contextmanager
    def serving(cls, port: int = 0) -> Iterator[Self]:
        """Serve until the block is left."""
        server = _Server(("127.0.0.1", port), _Handler)
        origin = cls(server)
        server.origin = origin
        thread = threading.Thread(target=server.serve_forever, name="origin", daemon=True)
        thread.start()
        try:
            yield origin
        finally:
            origin.answering.set()
            server.shutdown()
            server.server_close()
            thread.join()

    def url(self, path: str) -> str:
        """Return the URL of a path, for example `chelsea.jpg?7`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/{path}"

    def count(self, path: str) -> None:
        """Count one request."""
        with self._lock:
            self.requested[path] += 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    origin: Origin

    def handle_error(self, *_: object) -> None:
        """Ignore the error of a client that disconnects because the test killed it."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        path = self.path.removeprefix("/")
        self.server.origin.count(path)
        self.server.origin.answering.wait(timeout=30)
        photograph = PHOTOS / path.partition("?")[0]
        if photograph.parent == PHOTOS and photograph.is_file():
            self._answer(HTTPStatus.OK, "image/jpeg", photograph.read_bytes())
        elif path.startswith("page"):
            self._answer(HTTPStatus.OK, "text/html", b"<!doctype html><title>no image</title>")
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"nothing here\n")

    def log_message(self, *_: object) -> None:
        """Log nothing; tests count requests."""

    def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
