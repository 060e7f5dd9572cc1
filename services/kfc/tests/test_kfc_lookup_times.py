"""What a re-embedding hears of look-ups, from EmbArks that answer, restart, say nonsense or are not there."""

import json
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import inf
from typing import Any

import pytest

from embark.counts import LookupTimes
from embark_testing.servers.free_ports import free_ports
from kfc.reembed.lookup_times import PodLookupTimes, Times, times_between

BOUNDS = (0.001, 0.002)


class Pods:
    """EmbArks on one port of several loopback addresses; `says` has the body of each answer."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.says: dict[str, bytes] = {}
        self.unresolved = socket.EAI_NONAME

    def tell(self, address: str, *counts: int, seconds: tuple[float, ...] = BOUNDS) -> None:
        self.says[address] = LookupTimes(seconds=seconds, counts=counts).model_dump_json().encode()


@contextmanager
def serving(pods: Pods, address: str) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pods.says[address] if self.path == "/lookups" else b""
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((address, pods.port), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def pods(monkeypatch: pytest.MonkeyPatch) -> Pods:
    """None answers yet; the name `embark` has the addresses that say something."""
    made, really = Pods(*free_ports("127.0.0.1", 1, "127.0.0.2")), socket.getaddrinfo

    def resolve(host: str, port: int, *rest: Any, **others: Any) -> list[tuple[Any, ...]]:
        if host != "embark":
            return really(host, port, *rest, **others)
        if not made.says:
            raise socket.gaierror(made.unresolved, "no such name, or nobody to ask")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in made.says] * 2

    monkeypatch.setattr("kfc.reembed.lookup_times.socket.getaddrinfo", resolve)
    return made


def test_the_look_ups_since_the_last_time_are_told_of_all_pods_together(pods: Pods) -> None:
    pods.tell("127.0.0.1", 5, 5, 5)
    pods.tell("127.0.0.2", 1, 0, 0)
    told = PodLookupTimes("embark", pods.port)
    with serving(pods, "127.0.0.1"), serving(pods, "127.0.0.2"):
        assert told() == {}
        pods.tell("127.0.0.1", 6, 5, 7)
        pods.tell("127.0.0.2", 4, 0, 0)
        assert told() == {0.001: 4, inf: 2}
        assert told() == {}


@pytest.mark.parametrize("unresolved", [socket.EAI_NONAME, socket.EAI_NODATA])
def test_where_no_pod_is_there_were_no_look_ups(pods: Pods, unresolved: int) -> None:
    pods.unresolved = unresolved
    assert PodLookupTimes("embark", pods.port)() == {}


def test_without_an_answer_of_the_resolver_nothing_is_known(pods: Pods) -> None:
    pods.unresolved = socket.EAI_AGAIN
    assert PodLookupTimes("embark", pods.port)() is None


def test_pods_that_do_not_answer_say_nothing_and_the_log_says_so_once(
    pods: Pods, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    pods.tell("127.0.0.1", 5, 5, 5)
    told = PodLookupTimes("embark", pods.port)
    assert [told() for _ in range(3)] == [None] * 3
    with serving(pods, "127.0.0.1"):
        assert told() == {}
    assert [record.message for record in caplog.records] == [
        f"EmbArk at embark:{pods.port} {what} how long look-ups take" for what in ("does not tell", "tells")
    ]


def test_a_pod_that_does_not_answer_hides_no_other(pods: Pods) -> None:
    pods.tell("127.0.0.1", 5, 5, 5)
    pods.tell("127.0.0.2", 5, 5, 5)
    told = PodLookupTimes("embark", pods.port)
    with serving(pods, "127.0.0.2"):
        told()
        pods.tell("127.0.0.2", 5, 6, 5)
        assert told() == {0.002: 1}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        json.dumps({"seconds": [1.0], "counts": [1]}).encode(),
        json.dumps({"seconds": [1.0], "counts": [1, -1]}).encode(),
        json.dumps({"seconds": [], "counts": []}).encode(),
    ],
)
def test_nonsense_is_no_answer(pods: Pods, body: bytes) -> None:
    pods.says["127.0.0.1"] = body
    with serving(pods, "127.0.0.1"):
        assert PodLookupTimes("embark", pods.port)() is None


def test_a_pod_that_comes_or_starts_again_adds_nothing_at_first(pods: Pods) -> None:
    pods.tell("127.0.0.1", 5, 5, 5)
    told = PodLookupTimes("embark", pods.port)
    with serving(pods, "127.0.0.1"), serving(pods, "127.0.0.2"):
        told()
        pods.tell("127.0.0.1", 1, 0, 0)  # counted anew
        pods.tell("127.0.0.2", 100, 0, 0)
        assert told() == {}
        pods.tell("127.0.0.1", 2, 0, 0)
        pods.tell("127.0.0.2", 100, 0, 3)
        assert told() == {0.001: 1, inf: 3}


def test_times_of_other_buckets_are_not_compared() -> None:
    before, after = LookupTimes(seconds=(1.0,), counts=(1, 1)), LookupTimes(seconds=(2.0,), counts=(2, 2))
    assert times_between(before, after) == Times()
