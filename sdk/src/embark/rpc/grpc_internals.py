"""The private and experimental API of grpcio that EmbArk uses.

All of it is in grpc/_server.py, which was checked at CHECKED_VERSION. sdk/tests/test_grpc_internals.py says what to do
after an upgrade.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, TypeVar

import grpc

CHECKED_VERSION = "1.85"
F = TypeVar("F", bound=Callable[..., Any])


class PooledBehavior:
    """A behavior with its own thread pool, which grpcio's server reads from an attribute.

    With `non_blocking` the server calls the behavior of a stream with a function to send with, instead of iterating
    what it returns; see non_blocking().
    """

    def __init__(self, pool: ThreadPoolExecutor, behavior: Callable[..., Any], *, non_blocking: bool = False) -> None:
        self.experimental_thread_pool = pool
        self.experimental_non_blocking = non_blocking
        self._behavior = behavior

    def __call__(self, *arguments: Any) -> Any:
        """Call the behavior."""
        return self._behavior(*arguments)


def non_blocking(behavior: F) -> F:
    """Have a streaming behavior called with (request, context, send); send(None) ends the stream."""
    behavior.experimental_non_blocking = True  # type: ignore[attr-defined] # read by grpcio's server
    return behavior


def create_server(executor: Executor, options: Sequence[tuple[str, Any]]) -> grpc.Server:
    """Return a server whose behaviors without a pool run on `executor`.

    It need not be a ThreadPoolExecutor: the server only calls submit(), and Future.add_done_callback() on the result.
    """
    return grpc.server(executor, options=options)  # type: ignore[arg-type] # typed as ThreadPoolExecutor


def register_handlers(
    server: grpc.Server, service: str, handlers: "dict[str, grpc.RpcMethodHandler[Any, Any]]"
) -> None:
    """Register the methods of a service in both ways, as generated code does.

    Registered methods are found without parsing their names; the generic handler serves what is not registered.
    """
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    server.add_registered_method_handlers(service, handlers)
