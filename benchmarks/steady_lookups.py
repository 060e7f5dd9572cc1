"""Lookups at a steady rate, regardless of their latency, and the latency of each."""

import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import grpc

from benchmarks.loads import LOOKUP
from embark.rpc.channels import server_options
from embark.v1 import embark_pb2, types_pb2

# Lookups that may be late at a time before the load falls below its rate.
_CALLERS: Final = 16


def measure_steadily(port: int, keys: Sequence[str], per_second: float, over: Callable[[], bool]) -> list[float]:
    """Look up random keys of `keys`, one at a time, until `over` returns True; return the seconds of each lookup.

    The time of a lookup starts when it is due, so it includes waiting for earlier lookups.

    Raises:
        RuntimeError: a key is not a HIT: something else would be measured.
    """
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=server_options()) as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(LOOKUP)
        call(_request(keys[0]), wait_for_ready=True)
        begin = time.perf_counter()

        def calls(number: int) -> list[float]:
            order, seconds = random.Random(number), []  # noqa: S311 - no secret
            due = begin + number / per_second
            while not over():
                time.sleep(max(0.0, due - time.perf_counter()))
                reply = embark_pb2.LookupResponse.FromString(call(_request(order.choice(keys))))
                seconds.append(time.perf_counter() - due)
                if list(reply.statuses) != [types_pb2.KEY_STATUS_HIT]:
                    raise RuntimeError(f"a key is {reply.statuses}; the benchmark would measure something else")
                due += _CALLERS / per_second
            return seconds

        with ThreadPoolExecutor(_CALLERS) as pool:
            return [each for seconds in pool.map(calls, range(_CALLERS)) for each in seconds]


def p99(seconds: Sequence[float]) -> float:
    """Return the 99th percentile."""
    return sorted(seconds)[int(len(seconds) * 0.99)]


def _request(key: str) -> bytes:
    return embark_pb2.LookupRequest(keys=[key.encode()]).SerializeToString()
