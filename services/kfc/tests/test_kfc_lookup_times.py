"""The lookup latencies of EmbArk pods that answer, restart, reply with invalid JSON or do not exist."""

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
    """EmbArk pods on one port of several loopback addresses; `replies` has the body of each."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.replies: dict[str, bytes] = {}
        self.unresolved = socket.EAI_NONAME

    def report(self, address: str, *counts: int, seconds: tuple[float, ...] = BOUNDS) -> None:
        self.replies[address] = LookupTimes(seconds=seconds, counts=counts).model_dump_json().encode()


@contextmanager
def serving(pods: Pods, address: str) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pods.replies[address] if self.path == "/lookups" else b""
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
    """No pod answers yet; the name `embark` resolves to those with a reply."""
    made, really = Pods(*free_ports("127.0.0.1", 1, "127.0.0.2")), socket.getaddrinfo

    def resolve(host: str, port: int, *rest: Any, **others: Any) -> list[tuple[Any, ...]]:
        if host != "embark":
            return really(host, port, *rest, **others)
        if not made.replies:
            raise socket.gaierror(made.unresolved, "no such name, or no resolver")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in made.replies] * 2

    monkeypatch.setattr("kfc.reembed.lookup_times.socket.getaddrinfo", resolve)
    return made


def test_the_lookups_since_the_last_call_are_summed_over_all_pods(pods: Pods) -> None:
    pods.report("127.0.0.1", 5, 5, 5)
    pods.report("127.0.0.2", 1, 0, 0)
    latencies = PodLookupTimes("embark", pods.port)
    with serving(pods, "127.0.0.1"), serving(pods, "127.0.0.2"):
        assert latencies() == {}
        pods.report("127.0.0.1", 6, 5, 7)
        pods.report("127.0.0.2", 4, 0, 0)
        assert latencies() == {0.001: 4, inf: 2}
        assert latencies() == {}


@pytest.mark.parametrize("unresolved", [socket.EAI_NONAME, socket.EAI_NODATA])
def test_without_pods_there_are_no_lookups(pods: Pods, unresolved: int) -> None:
    pods.unresolved = unresolved
    assert PodLookupTimes("embark", pods.port)() == {}


def test_without_a_resolver_the_latencies_are_unknown(pods: Pods) -> None:
    pods.unresolved = socket.EAI_AGAIN
    assert PodLookupTimes("embark", pods.port)() is None


def test_pods_that_do_not_answer_are_logged_once(pods: Pods, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    pods.report("127.0.0.1", 5, 5, 5)
    latencies = PodLookupTimes("embark", pods.port)
    assert [latencies() for _ in range(3)] == [None] * 3
    with serving(pods, "127.0.0.1"):
        assert latencies() == {}
    assert [record.message for record in caplog.records] == [
        f"EmbArk at embark:{pods.port} {change} its lookup latencies" for change in ("does not report", "reports")
    ]


def test_a_pod_that_does_not_answer_does_not_hide_others(pods: Pods) -> None:
    pods.report("127.0.0.1", 5, 5, 5)
    pods.report("127.0.0.2", 5, 5, 5)
    latencies = PodLookupTimes("embark", pods.port)
    with serving(pods, "127.0.0.2"):
        latencies()
        pods.report("127.0.0.2", 5, 6, 5)
        assert latencies() == {0.002: 1}


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
def test_an_invalid_reply_is_ignored(pods: Pods, body: bytes) -> None:
    pods.replies["127.0.0.1"] = body
    with serving(pods, "127.0.0.1"):
        assert PodLookupTimes("embark", pods.port)() is None


def test_a_new_or_restarted_pod_adds_nothing_at_first(pods: Pods) -> None:
    pods.report("127.0.0.1", 5, 5, 5)
    latencies = PodLookupTimes("embark", pods.port)
    with serving(pods, "127.0.0.1"), serving(pods, "127.0.0.2"):
        latencies()
        pods.report("127.0.0.1", 1, 0, 0)  # a restarted pod
        pods.report("127.0.0.2", 100, 0, 0)
        assert latencies() == {}
        pods.report("127.0.0.1", 2, 0, 0)
        pods.report("127.0.0.2", 100, 0, 3)
        assert latencies() == {0.001: 1, inf: 3}


def test_latencies_of_other_buckets_are_not_compared() -> None:
    before, after = LookupTimes(seconds=(1.0,), counts=(1, 1)), LookupTimes(seconds=(2.0,), counts=(2, 2))
    assert times_between(before, after) == Times()
