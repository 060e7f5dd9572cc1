"""The demo's origin on 127.0.0.1: the photographs, a web page, and 404 for everything else."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HOST = "127.0.0.1"
PAGE = "a-page.html"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # The default of 5 drops connections, which are retried only after a second.
    request_queue_size = 128


@contextmanager
def serving(photos: Path, port_file: Path) -> Iterator[str]:
    """Serve until the block ends; yield the base URL.

    The port of the first run is kept in `port_file`: the URLs are the keys, so another port means other keys.
    """
    server = _bind(_handler(photos), int(port_file.read_text()) if port_file.exists() else 0)
    port_file.parent.mkdir(parents=True, exist_ok=True)
    port_file.write_text(str(server.server_address[1]))
    thread = threading.Thread(target=server.serve_forever, name="photographs", daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _bind(handler: type[BaseHTTPRequestHandler], port: int) -> _Server:
    try:
        return _Server((HOST, port), handler)
    except OSError:
        if not port:
            raise
        print(f"port {port} of the last run is in use; the demo picks another one, so the URLs are new keys")
        return _Server((HOST, 0), handler)


def _handler(photos: Path) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.removeprefix("/")
            served = {path.name for path in photos.glob("*.jpg")}
            if name in served:
                self._answer(HTTPStatus.OK, "image/jpeg", (photos / name).read_bytes())
            elif name == PAGE:
                self._answer(HTTPStatus.OK, "text/html", b"<!doctype html><title>not an image</title>")
            else:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"nothing here\n")

        def log_message(self, *_: object) -> None:
            """Log nothing: the demo prints its own summary."""

        def _answer(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
