"""EmbArk's hot look-ups against an echo of equal bytes on a bare gRPC server of the same kind, in the same process."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Final

import grpc
from children import Child, child
from manifests import settings_of
from prometheus_client import CollectorRegistry
from ratios import Rate, Ratio, compare

from embark.clock import now
from embark.rpc.channels import server_options
from embark.store import Embedding
from embark.store.memory import MemoryStore
from embark.topic.memory import MemoryTopic
from embark.v1 import embark_pb2
from embark_server.server import EmbArkServer

WANTED: Final = {1: 0.85, 32: 0.70, 256: 0.65}
LOOKUP: Final = "/embark.v1.EmbArkService/Lookup"
ECHO: Final = "/benchmark.Echo/"
CALLERS: Final = 4
# As many as EmbArk's look-up threads that run at a time: fewer take turns less often, for an echo too.
ECHO_THREADS: Final = 2


def measure(rounds: int, seconds: float) -> list[Ratio]:
    """Return the ratios at 1, 32 and 256 keys of the sample space of photographs."""
    with child(_serve) as server:
        embark_port, echo_port = server.serving
        return [
            compare(
                f"EmbArk hot, {keys} {'key' if keys == 1 else 'keys'} / echo of equal bytes",
                unit="look-ups/s",
                wanted=wanted,
                rounds=rounds,
                subject=partial(_load, server, embark_port, LOOKUP, keys, seconds),
                baseline=partial(_load, server, echo_port, f"{ECHO}{keys}", keys, seconds),
            )
            for keys, wanted in WANTED.items()
        ]


def request_of(keys: int) -> bytes:
    """Return a look-up of the first `keys` keys, as bytes on the wire."""
    return embark_pb2.LookupRequest(keys=[_key(index).encode() for index in range(keys)]).SerializeToString()


def _load(server: Child, port: int, method: str, keys: int, seconds: float) -> Rate:
    """Call from CALLERS threads until `seconds` are over; requests and replies stay bytes, alike for both."""
    request = request_of(keys)
    stop = threading.Event()
    options = server_options()
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
        call(request)

        def caller(_: int) -> int:
            done = 0
            while not stop.is_set():
                call(request)
                done += 1
            return done

        cpu, started = server.cpu_seconds(), time.perf_counter()
        with ThreadPoolExecutor(CALLERS) as pool:
            counts = pool.map(caller, range(CALLERS))
            stop.wait(seconds)
            stop.set()
            done = sum(counts)
        elapsed = time.perf_counter() - started
        return Rate(done / elapsed, done / (server.cpu_seconds() - cpu))


@contextmanager
def _serve() -> Iterator[tuple[int, int]]:
    settings = settings_of("photos").embark
    space = settings.active
    store, topic = MemoryStore(now), MemoryTopic()
    store.ensure_space(space.id)
    most = max(WANTED)
    rows = [Embedding(_key(index), index.to_bytes(4, "little") * space.dimension, now()) for index in range(most)]
    store.write(space.id, rows)
    producer = topic.producer()
    embark = EmbArkServer(settings, store, producer, clock=now, registry=CollectorRegistry())
    embark.start()
    replies = {keys: _reply(embark.port, keys) for keys in WANTED}
    echo = grpc.server(ThreadPoolExecutor(ECHO_THREADS), options=server_options())
    echo.add_generic_rpc_handlers((_Echo(replies),))
    echo_port = echo.add_insecure_port("127.0.0.1:0")
    echo.start()
    try:
        yield embark.port, echo_port
    finally:
        echo.stop(None).wait()
        embark.stop()
        topic.close()
        store.close()


def _reply(port: int, keys: int) -> bytes:
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=server_options()) as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(LOOKUP)
        reply = bytes(call(request_of(keys), wait_for_ready=True))
    statuses = embark_pb2.LookupResponse.FromString(reply).statuses
    if list(statuses) != [1] * keys:
        raise RuntimeError("not every key is a HIT: the benchmark would measure something else")
    return reply


class _Echo(grpc.GenericRpcHandler):
    """Answers `/benchmark.Echo/<keys>` with bytes made beforehand; no message is parsed or built."""

    def __init__(self, replies: dict[int, bytes]) -> None:
        self._handlers = {f"{ECHO}{keys}": _handler(reply) for keys, reply in replies.items()}

    def service(self, details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        return self._handlers.get(details.method)


def _handler(reply: bytes) -> "grpc.RpcMethodHandler[bytes, bytes]":
    return grpc.unary_unary_rpc_method_handler(lambda _request, _context: reply)


def _key(index: int) -> str:
    return f"https://photographs.example/{index:06}.jpg"
