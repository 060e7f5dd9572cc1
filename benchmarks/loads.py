"""A load of calls on a server in a child process."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import grpc

from benchmarks.children import Child
from benchmarks.ratios import Rate
from embark.rpc.channels import server_options
from embark.service_names import EMBARK_SERVICE
from embark.v1 import embark_pb2

LOOKUP: Final = f"/{EMBARK_SERVICE}/Lookup"
Requests = Callable[[int], Iterator[bytes]]
"""Returns the endless requests of the caller with a number."""


def load(
    server: Child, port: int, method: str, requests: Requests, seconds: float, *, callers: int, head: int | None = None
) -> Rate:
    """Call `method` from `callers` threads for `seconds`; requests and replies stay bytes for every method.

    Raises:
        RuntimeError: the first `head` bytes of a reply (None: all) differ from those of the first reply: the keys have
            other statuses, and something else would be measured.
    """
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=server_options()) as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
        expected = call(next(requests(callers)), wait_for_ready=True)[:head]

        def calls(number: int) -> Iterator[None]:
            for request in requests(number):
                if call(request)[:head] != expected:
                    raise RuntimeError(f"{method}: the replies differ outside their rows")
                yield

        return measure_rate(calls, seconds, callers=callers, cpu_seconds=server.cpu_seconds)


def measure_rate(
    calls: Callable[[int], Iterator[None]], seconds: float, *, callers: int, cpu_seconds: Callable[[], float]
) -> Rate:
    """Return the rate at which `callers` threads exhaust their iterators of `calls` for `seconds`."""
    stop = threading.Event()

    def count(number: int) -> int:
        done = 0
        for _ in calls(number):
            done += 1
            if stop.is_set():
                break
        return done

    cpu, started = cpu_seconds(), time.perf_counter()
    with ThreadPoolExecutor(callers) as pool:
        counts = pool.map(count, range(callers))
        stop.wait(seconds)
        stop.set()
        done = sum(counts)
    elapsed = time.perf_counter() - started
    return Rate(done / elapsed, done / (cpu_seconds() - cpu))


def look_up(port: int, request: bytes) -> tuple[bytes, embark_pb2.LookupResponse]:
    """Send one lookup; return the reply as bytes and as a message."""
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=server_options()) as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(LOOKUP)
        reply = bytes(call(request, wait_for_ready=True))
    return reply, embark_pb2.LookupResponse.FromString(reply)
