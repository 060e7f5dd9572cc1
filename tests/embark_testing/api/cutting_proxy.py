"""A proxy in front of an API server that counts writes, cuts the connection at one of them, and can freeze watches."""

import http.client
import ssl
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from embark_testing.cluster.api_server import ApiServer
from embark_testing.cluster.kubeconfigs import write_kubeconfig

_WRITES: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_CHUNK: Final = 64 * 1024


class CuttingProxy:
    """Forwards to an API server; `children` counts the writes of caches' children that it forwarded."""

    def __init__(self, server: ApiServer, kubeconfig: Path) -> None:
        self._server = server
        self._tls = ssl.create_default_context(cafile=str(server.authority))
        self._lock = threading.Lock()
        self._cut_at = 0
        self._after = False
        self.children = 0
        self.cut = threading.Event()
        """Set at the write that is cut; the proxy answers nothing from then on."""
        self._freezes = 0
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self.kubeconfig = write_kubeconfig(kubeconfig, url, server.authority, server.token)

    def cut_at(self, write: int, *, after: bool) -> None:
        """Cut the connection at the `write`-th write of a child: before or `after` it is forwarded."""
        self._cut_at, self._after = write, after

    def freeze_watches(self) -> None:
        """Keep the open watches open, without any further event."""
        self._freezes += 1

    def forward(self, request: BaseHTTPRequestHandler) -> None:
        """Serve one request."""
        if self.cut.is_set():
            request.close_connection = True
            return
        dropped = self._dropped(request)
        if dropped and not self._after:
            self.cut.set()
            return
        address = urllib.parse.urlsplit(self._server.url)
        upstream = http.client.HTTPSConnection(address.hostname or "", address.port, context=self._tls)
        try:
            body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
            headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
            headers["Authorization"] = f"Bearer {self._server.token}"
            upstream.request(request.command, request.path, body, headers | {"Accept-Encoding": "identity"})
            answer = upstream.getresponse()
            if dropped:
                self.cut.set()  # not before: a client that is killed then may not have sent the whole request
            else:
                self._answer(request, answer)
        finally:
            upstream.close()

    def close(self) -> None:
        """Stop listening."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _dropped(self, request: BaseHTTPRequestHandler) -> bool:
        """Count a write; return whether it is the one to leave unanswered."""
        path = request.path.partition("?")[0]
        if request.command not in _WRITES or any(part in path for part in ("/leases", "/events", "/status")):
            return False
        with self._lock:
            if self._cut_at and self.children + 1 == self._cut_at:
                self.children += self._after
                request.close_connection = True
                return True
            self.children += 1
            return False

    def _answer(self, request: BaseHTTPRequestHandler, answer: http.client.HTTPResponse) -> None:
        request.close_connection = True
        request.send_response(answer.status)
        request.send_header("Content-Type", answer.getheader("Content-Type") or "application/json")
        request.send_header("Connection", "close")
        request.end_headers()
        is_watch, freezes = "watch=true" in request.path, self._freezes
        while chunk := answer.read1(_CHUNK):
            if self.cut.is_set():
                return
            if not is_watch or self._freezes == freezes:
                request.wfile.write(chunk)
                request.wfile.flush()


@contextmanager
def cutting_proxy(server: ApiServer, kubeconfig: Path) -> Iterator[CuttingProxy]:
    """Run a proxy until the block ends; its kubeconfig is written to the given path."""
    proxy = CuttingProxy(server, kubeconfig)
    try:
        yield proxy
    finally:
        proxy.close()


def _handler(proxy: CuttingProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            try:
                proxy.forward(self)
            except (ConnectionError, http.client.HTTPException):
                self.close_connection = True  # one side has closed the connection

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815 - the base class looks for them

        def log_message(self, *_: object) -> None:
            """Do not log requests."""

    return Handler
