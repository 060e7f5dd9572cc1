"""The client of a pod's second port, against real servers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from embark.counts import SpaceEntries
from embark.pods import PodClient, PodError, PodLimits, PodStatusError
from embark_testing.servers.free_ports import free_ports

HOST = "127.0.0.1"


@contextmanager
def serve(status: int, body: bytes, content_length: int | None = None) -> Iterator[int]:
    """Serve one response at every path; yield the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body) if content_length is None else content_length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((HOST, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_body_is_returned_as_text_and_parsed_as_json() -> None:
    with serve(200, b'{"space": "a", "entries": 7}') as port:
        client = PodClient(port)
        assert client.get(HOST, "/entries") == '{"space": "a", "entries": 7}'
        assert client.get_json(HOST, "/entries", SpaceEntries) == SpaceEntries(space="a", entries=7)


def test_an_error_status_is_raised_with_its_text() -> None:
    with serve(503, b"the store is unavailable\n") as port, pytest.raises(PodStatusError) as raised:
        PodClient(port).get(HOST, "/readyz")
    assert (raised.value.status, raised.value.text) == (503, "the store is unavailable")


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff\xfe", b'{"space": "a", "entries": -1}'])
def test_a_body_that_does_not_parse_is_an_error_of_the_pod(body: bytes) -> None:
    with serve(200, body) as port, pytest.raises(PodError, match="/entries"):
        PodClient(port).get_json(HOST, "/entries", SpaceEntries)


def test_a_body_that_ends_early_does_not_parse() -> None:
    with serve(200, b'{"space": "a"', content_length=99) as port, pytest.raises(PodError):
        PodClient(port).get_json(HOST, "/entries", SpaceEntries)


def test_at_most_the_allowed_bytes_of_a_body_are_read() -> None:
    limits = PodLimits(max_bytes=3)
    with serve(200, b"abcdef") as port:
        assert PodClient(port, limits).get(HOST, "/metrics") == "abc"
    with serve(500, b"abcdef") as port, pytest.raises(PodStatusError) as raised:
        PodClient(port, limits).get(HOST, "/metrics")
    assert raised.value.text == "abc"


def test_a_pod_that_is_not_reachable_is_an_error_of_the_pod() -> None:
    with pytest.raises(PodError) as raised:
        PodClient(free_ports(HOST, 1)[0]).get(HOST, "/metrics")
    assert not isinstance(raised.value, PodStatusError)


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_no_proxy_is_used(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, f"http://{HOST}:{free_ports(HOST, 1)[0]}")
    monkeypatch.setenv("no_proxy", "")
    with serve(200, b"ok") as port:
        assert PodClient(port).get(HOST, "/healthz") == "ok"
