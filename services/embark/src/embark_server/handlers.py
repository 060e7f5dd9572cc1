"""The gRPC methods of the lookup server, each on its pool of threads."""

import functools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from embark.rpc.grpc_internals import PooledBehavior, register_handlers
from embark.rpc.health import Health
from embark.service_names import EMBARK_SERVICE
from embark.v1 import embark_pb2 as pb
from embark_server.calls import Authorizer
from embark_server.limits import Limits
from embark_server.servicer import Servicer
from embark_server.threads import LookupThreads

HEALTH: Final = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

# Room for rejecting further streams at once while all others are open.
_REJECTING_THREADS: Final = 4
_PROBE_THREADS: Final = 2

_Handlers = dict[str, "grpc.RpcMethodHandler[Any, Any]"]


@dataclass(frozen=True)
class Pools:
    """The threads of one server; separate, so that no kind of call takes the threads of another."""

    lookups: LookupThreads
    changes: ThreadPoolExecutor
    searches: ThreadPoolExecutor
    streams: ThreadPoolExecutor
    probes: ThreadPoolExecutor

    @classmethod
    def open(cls, limits: Limits) -> "Pools":
        """Return pools whose threads start on first use."""
        return cls(
            LookupThreads(limits.lookup_threads, limits.all_lookup_threads, "lookup"),
            ThreadPoolExecutor(limits.change_threads, "change"),
            ThreadPoolExecutor(limits.search_threads, "search"),
            ThreadPoolExecutor(limits.streams + _REJECTING_THREADS, "stream"),
            ThreadPoolExecutor(_PROBE_THREADS, "health"),
        )

    def shutdown(self, *, wait: bool) -> None:
        """Stop the threads once they are idle."""
        pools: tuple[Executor, ...] = (self.lookups, self.changes, self.searches, self.streams, self.probes)
        for pool in pools:
            pool.shutdown(wait=wait)


class _StreamLimit:
    """Rejects streams beyond a limit, instead of queueing them behind streams that may never end."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._free = threading.Semaphore(limit)

    def apply(self, behavior: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        @functools.wraps(behavior)
        def stream(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            if not self._free.acquire(blocking=False):
                context.abort(
                    grpc.StatusCode.RESOURCE_EXHAUSTED, f"{self._limit} streams are open, the maximum; retry later"
                )
            try:
                yield from behavior(request, context)
            finally:
                self._free.release()

        return stream


class Handlers:
    """Registers EmbArkService and reflection, for callers that `authorizer` admits, and health, for all callers."""

    def __init__(self, servicer: Servicer, health: Health, pools: Pools, authorizer: Authorizer, streams: int) -> None:
        self._servicer = servicer
        self._health = health
        self._pools = pools
        self._protect = authorizer.protect
        self._streams = _StreamLimit(streams)

    def add_to(self, server: grpc.Server) -> None:
        """Register every method with `server`."""
        register_handlers(server, EMBARK_SERVICE, self._embark())
        register_handlers(server, HEALTH, self._health_checks())
        register_handlers(server, reflection.SERVICE_NAME, self._reflection())

    def _embark(self) -> _Handlers:
        servicer, unary = self._servicer, grpc.unary_unary_rpc_method_handler
        # Lookup takes and returns bytes: without serializers, messages are passed through unchanged.
        return {
            "Lookup": unary(self._protect(servicer.lookup), None, None),
            "LookupStream": grpc.stream_stream_rpc_method_handler(
                self._stream(servicer.lookup_stream), pb.LookupStreamRequest.FromString, None
            ),
            "Prefetch": unary(
                self._change(servicer.prefetch), pb.PrefetchRequest.FromString, pb.PrefetchResponse.SerializeToString
            ),
            "Put": unary(self._change(servicer.put), pb.PutRequest.FromString, pb.PutResponse.SerializeToString),
            "Invalidate": unary(
                self._change(servicer.invalidate),
                pb.InvalidateRequest.FromString,
                pb.InvalidateResponse.SerializeToString,
            ),
            "DescribeSpace": unary(
                self._change(servicer.describe_space),
                pb.DescribeSpaceRequest.FromString,
                pb.DescribeSpaceResponse.SerializeToString,
            ),
            "Similar": unary(
                self._search(servicer.similar), pb.SimilarRequest.FromString, pb.SimilarResponse.SerializeToString
            ),
            # On the threads of searches: a call that hangs because the store is down must not delay changes.
            "DescribeRollout": unary(
                self._search(servicer.describe_rollout),
                pb.DescribeRolloutRequest.FromString,
                pb.DescribeRolloutResponse.SerializeToString,
            ),
            "Export": grpc.unary_stream_rpc_method_handler(
                self._stream(servicer.export), pb.ExportRequest.FromString, pb.ExportResponse.SerializeToString
            ),
        }

    def _health_checks(self) -> _Handlers:
        request, response = health_pb2.HealthCheckRequest.FromString, health_pb2.HealthCheckResponse.SerializeToString
        check = PooledBehavior(self._pools.probes, self._health.Check)
        watch = PooledBehavior(self._pools.probes, self._health.Watch, non_blocking=True)
        return {
            "Check": grpc.unary_unary_rpc_method_handler(check, request, response),
            "Watch": grpc.unary_stream_rpc_method_handler(watch, request, response),
        }

    def _reflection(self) -> _Handlers:
        reflected = reflection.ReflectionServicer((EMBARK_SERVICE, HEALTH, reflection.SERVICE_NAME))
        request, response = reflection_pb2.ServerReflectionRequest, reflection_pb2.ServerReflectionResponse
        return {
            "ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(
                self._stream(reflected.ServerReflectionInfo), request.FromString, response.SerializeToString
            )
        }

    def _change(self, behavior: Callable[..., Any]) -> PooledBehavior:
        return PooledBehavior(self._pools.changes, self._protect(behavior))

    def _search(self, behavior: Callable[..., Any]) -> PooledBehavior:
        return PooledBehavior(self._pools.searches, self._protect(behavior))

    def _stream(self, behavior: Callable[..., Iterator[Any]]) -> PooledBehavior:
        return PooledBehavior(self._pools.streams, self._protect(self._streams.apply(behavior)))
