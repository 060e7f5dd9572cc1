"""The table of gRPC methods of the look-up server, each on the pool of threads that fits it; server.py registers it."""

import functools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from embark.rpc.health import Health
from embark.v1 import embark_pb2 as pb
from embark_server.permits import Permits
from embark_server.servicer import Servicer
from embark_server.threads import LookupThreads
from embark_server.waits import MAX_WAITING

SERVICE: Final = pb.DESCRIPTOR.services_by_name["EmbArkService"].full_name
HEALTH: Final = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

# On two cores, 2 answered about a seventh more hot look-ups than 3 in three runs of the benchmark in turns.
LOOKUP_THREADS: Final = 2
# Look-ups that wait for the store at one time, beside those that wait for fills.
STORE_THREADS: Final = 28
CHANGE_THREADS: Final = 4
# A search holds its thread for as long as the store reads; more of them at a time would only slow each other down.
SEARCH_THREADS: Final = 2
# A stream holds its thread for as long as it lives; the room beyond is for refusing further ones at once.
MAX_STREAMS: Final = 32
_REFUSING_THREADS: Final = 4
_PROBE_THREADS: Final = 2

_Handlers = dict[str, "grpc.RpcMethodHandler[Any, Any]"]


@dataclass(frozen=True)
class Pools:
    """The threads of one server; apart, so that no kind of call takes those of another."""

    lookups: LookupThreads
    changes: ThreadPoolExecutor
    searches: ThreadPoolExecutor
    streams: ThreadPoolExecutor
    probes: ThreadPoolExecutor

    def shutdown(self, *, wait: bool) -> None:
        """Let the threads end."""
        pools: tuple[Executor, ...] = (self.lookups, self.changes, self.searches, self.streams, self.probes)
        for pool in pools:
            pool.shutdown(wait=wait)


def open_pools() -> Pools:
    """Return pools whose threads begin when they are first needed."""
    return Pools(
        LookupThreads(LOOKUP_THREADS, LOOKUP_THREADS + STORE_THREADS + MAX_WAITING, "lookup"),
        ThreadPoolExecutor(CHANGE_THREADS, "change"),
        ThreadPoolExecutor(SEARCH_THREADS, "search"),
        ThreadPoolExecutor(MAX_STREAMS + _REFUSING_THREADS, "stream"),
        ThreadPoolExecutor(_PROBE_THREADS, "health"),
    )


class _On:
    """A behavior on a pool of its own, which grpcio's server reads from this attribute."""

    def __init__(self, pool: ThreadPoolExecutor, behavior: Callable[..., Any], *, non_blocking: bool = False) -> None:
        self.experimental_thread_pool = pool
        self.experimental_non_blocking = non_blocking
        self._behavior = behavior

    def __call__(self, *arguments: Any) -> Any:
        return self._behavior(*arguments)


class _StreamGate:
    """Refuses the streams beyond MAX_STREAMS, instead of letting them wait for one that may never end."""

    def __init__(self) -> None:
        self._free = threading.Semaphore(MAX_STREAMS)

    def gated(self, behavior: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        @functools.wraps(behavior)
        def stream(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            if not self._free.acquire(blocking=False):
                context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"{MAX_STREAMS} streams are open; no more are taken")
            try:
                yield from behavior(request, context)
            finally:
                self._free.release()

        return stream


def add_handlers(server: grpc.Server, servicer: Servicer, health: Health, pools: Pools, permits: Permits) -> None:
    """Register EmbArkService and reflection for whom `permits` lets in, and health for everyone."""
    gate = _StreamGate()
    _add(server, SERVICE, _embark_handlers(servicer, pools, gate, permits))
    _add(server, HEALTH, _health_handlers(health, pools))
    names = (SERVICE, HEALTH, reflection.SERVICE_NAME)
    reflect = _On(pools.streams, permits.guarded(gate.gated(reflection.ReflectionServicer(names).ServerReflectionInfo)))
    request, response = reflection_pb2.ServerReflectionRequest, reflection_pb2.ServerReflectionResponse
    handler = grpc.stream_stream_rpc_method_handler(reflect, request.FromString, response.SerializeToString)
    _add(server, reflection.SERVICE_NAME, {"ServerReflectionInfo": handler})


def _embark_handlers(servicer: Servicer, pools: Pools, gate: _StreamGate, permits: Permits) -> _Handlers:
    def change(behavior: Callable[..., Any]) -> _On:
        return _On(pools.changes, permits.guarded(behavior))

    def search(behavior: Callable[..., Any]) -> _On:
        return _On(pools.searches, permits.guarded(behavior))

    def stream(behavior: Callable[..., Iterator[Any]]) -> _On:
        return _On(pools.streams, permits.guarded(gate.gated(behavior)))

    unary = grpc.unary_unary_rpc_method_handler
    # Lookup takes and gives bytes: without functions for them they are passed as they are.
    return {
        "Lookup": unary(permits.guarded(servicer.lookup), None, None),
        "LookupStream": grpc.stream_stream_rpc_method_handler(
            stream(servicer.lookup_stream), pb.LookupStreamRequest.FromString, None
        ),
        "Prefetch": unary(
            change(servicer.prefetch), pb.PrefetchRequest.FromString, pb.PrefetchResponse.SerializeToString
        ),
        "Put": unary(change(servicer.put), pb.PutRequest.FromString, pb.PutResponse.SerializeToString),
        "Invalidate": unary(
            change(servicer.invalidate), pb.InvalidateRequest.FromString, pb.InvalidateResponse.SerializeToString
        ),
        "DescribeSpace": unary(
            change(servicer.describe_space),
            pb.DescribeSpaceRequest.FromString,
            pb.DescribeSpaceResponse.SerializeToString,
        ),
        "Similar": unary(search(servicer.similar), pb.SimilarRequest.FromString, pb.SimilarResponse.SerializeToString),
        # With the searches: what hangs here, as the store is lost, must not hold up changes.
        "DescribeRollout": unary(
            search(servicer.describe_rollout),
            pb.DescribeRolloutRequest.FromString,
            pb.DescribeRolloutResponse.SerializeToString,
        ),
        "Export": grpc.unary_stream_rpc_method_handler(
            stream(servicer.export), pb.ExportRequest.FromString, pb.ExportResponse.SerializeToString
        ),
    }


def _health_handlers(health: Health, pools: Pools) -> _Handlers:
    request, response = health_pb2.HealthCheckRequest.FromString, health_pb2.HealthCheckResponse.SerializeToString
    check = _On(pools.probes, health.Check)
    watch = _On(pools.probes, health.Watch, non_blocking=True)
    return {
        "Check": grpc.unary_unary_rpc_method_handler(check, request, response),
        "Watch": grpc.unary_stream_rpc_method_handler(watch, request, response),
    }


def _add(server: grpc.Server, service: str, handlers: _Handlers) -> None:
    # Both, as generated code does: registered methods are found without a look at their name.
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    server.add_registered_method_handlers(service, handlers)
