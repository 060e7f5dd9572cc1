"""grpcio's private and experimental API, as EmbArk uses it, on a real server."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from embark.rpc.grpc_internals import CHECKED_VERSION, PooledBehavior, create_server, non_blocking, register_handlers

SERVICE = "test.Service"
UPGRADE = (
    f"grpcio {grpc.__version__} is installed, and rpc/grpc_internals.py was checked against {CHECKED_VERSION}. Check "
    "experimental_thread_pool, experimental_non_blocking, add_registered_method_handlers and the uses of thread_pool "
    "in grpc/_server.py; run the tests of this file and of services/embark; then set CHECKED_VERSION"
)


def thread_name(_request: bytes, _context: grpc.ServicerContext) -> bytes:
    return threading.current_thread().name.encode()


def send_twice(request: bytes, _context: grpc.ServicerContext, send: Callable[[bytes | None], None]) -> None:
    for response in (request, request, None):
        send(response)


class BareExecutor(Executor):
    """An Executor that is not a ThreadPoolExecutor, and has nothing but submit()."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> "Future[Any]":
        return self._pool.submit(function, *arguments, **options)


@pytest.fixture(scope="module")
def channel() -> Iterator[grpc.Channel]:
    with ThreadPoolExecutor(2, "bare") as bare, ThreadPoolExecutor(1, "own") as pool:
        server = create_server(BareExecutor(bare), [])
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "Plain": grpc.unary_unary_rpc_method_handler(thread_name),
            "Pooled": grpc.unary_unary_rpc_method_handler(PooledBehavior(pool, thread_name)),
            "Sent": grpc.unary_stream_rpc_method_handler(PooledBehavior(pool, send_twice, non_blocking=True)),
            "Marked": grpc.unary_stream_rpc_method_handler(non_blocking(send_twice)),
        }
        register_handlers(server, SERVICE, handlers)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        with grpc.insecure_channel(f"127.0.0.1:{port}") as opened:
            yield opened
        server.stop(None).wait()


def call(channel: grpc.Channel, method: str) -> bytes:
    unary: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/{SERVICE}/{method}")
    return unary(b"", timeout=30)


def test_grpcio_is_of_the_version_that_was_checked() -> None:
    assert grpc.__version__.startswith(f"{CHECKED_VERSION}."), UPGRADE


def test_a_behavior_runs_on_its_own_pool_and_others_on_any_executor(channel: grpc.Channel) -> None:
    assert call(channel, "Plain").startswith(b"bare"), UPGRADE
    assert call(channel, "Pooled").startswith(b"own"), UPGRADE


@pytest.mark.parametrize("method", ["Sent", "Marked"])
def test_a_non_blocking_stream_is_sent_by_its_callback(channel: grpc.Channel, method: str) -> None:
    stream: grpc.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(f"/{SERVICE}/{method}")
    assert list(stream(b"x", timeout=30)) == [b"x", b"x"], UPGRADE
