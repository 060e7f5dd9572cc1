"""Hot lookups of EmbArk against an echo of equal bytes on a bare gRPC server in the same process."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import repeat
from typing import Final

import grpc

from benchmarks.children import Child, child
from benchmarks.loads import LOOKUP, load, look_up
from benchmarks.ratios import Rate, Ratio, compare
from benchmarks.subjects import empty_store, idle_producer, run_embark
from embark.clock import now
from embark.rpc.channels import server_options
from embark.settings import EmbArkSettings
from embark.store import Embedding, RolloutStore
from embark.v1 import embark_pb2
from embark_testing.caches import sample_settings

WANTED: Final = {1: 0.85, 32: 0.70, 256: 0.65}
ECHO: Final = "/benchmark.Echo/"
CALLERS: Final = 4
# As many as EmbArk's lookup threads that run at a time: fewer threads switch less often, in an echo server too.
ECHO_THREADS: Final = 2


def measure(rounds: int, seconds: float) -> list[Ratio]:
    """Return the ratios at 1, 32 and 256 keys of the sample space of photographs."""
    with child(_serve) as server:
        embark_port, echo_port = server.serving
        return [
            compare(
                f"EmbArk hot, {keys} {'key' if keys == 1 else 'keys'} / echo of equal bytes",
                unit="lookups/s",
                wanted=wanted,
                rounds=rounds,
                subject=partial(_load, server, embark_port, LOOKUP, keys, seconds),
                baseline=partial(_load, server, echo_port, f"{ECHO}{keys}", keys, seconds),
            )
            for keys, wanted in WANTED.items()
        ]


def _load(server: Child, port: int, method: str, keys: int, seconds: float) -> Rate:
    request = build_request(keys)
    return load(server, port, method, lambda _: repeat(request), seconds, callers=CALLERS)


def build_request(keys: int) -> bytes:
    """Return the encoded lookup of the first `keys` keys."""
    return embark_pb2.LookupRequest(keys=[_key(index).encode() for index in range(keys)]).SerializeToString()


@contextmanager
def _serve() -> Iterator[tuple[int, int]]:
    with run_embark(sample_settings("photos").embark, _full_store, idle_producer) as port:
        replies = {keys: _reply(port, keys) for keys in WANTED}
        echo = grpc.server(ThreadPoolExecutor(ECHO_THREADS), options=server_options())
        echo.add_generic_rpc_handlers((_Echo(replies),))
        echo_port = echo.add_insecure_port("127.0.0.1:0")
        echo.start()
        try:
            yield port, echo_port
        finally:
            echo.stop(None).wait()


@contextmanager
def _full_store(settings: EmbArkSettings) -> Iterator[RolloutStore]:
    space = settings.active
    with empty_store(settings) as store:
        vectors = {_key(index): index.to_bytes(4, "little") * space.dimension for index in range(max(WANTED))}
        store.write(space.id, [Embedding(key, vector, now()) for key, vector in vectors.items()])
        yield store


def _reply(port: int, keys: int) -> bytes:
    reply, message = look_up(port, build_request(keys))
    if list(message.statuses) != [1] * keys:
        raise RuntimeError("not every key is a HIT; the benchmark would measure something else")
    return reply


class _Echo(grpc.GenericRpcHandler):
    """Answers `/benchmark.Echo/<keys>` with prepared bytes; no message is parsed or built."""

    def __init__(self, replies: dict[int, bytes]) -> None:
        self._handlers = {f"{ECHO}{keys}": _handler(reply) for keys, reply in replies.items()}

    def service(self, details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        return self._handlers.get(details.method)


def _handler(reply: bytes) -> "grpc.RpcMethodHandler[bytes, bytes]":
    return grpc.unary_unary_rpc_method_handler(lambda _request, _context: reply)


def _key(index: int) -> str:
    return f"https://photographs.example/{index:06}.jpg"
