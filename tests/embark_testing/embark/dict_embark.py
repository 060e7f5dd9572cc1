"""EmbArkService over dicts on a real port, for the tests of the client and of the command line."""

# ruff: noqa: N802 - the methods have the names of the service's
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import grpc
import numpy as np
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import HealthServicer
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server

from embark.causes import Cause, CauseError
from embark.keys import parse_key
from embark.rpc.channels import server_options
from embark.rpc.wire import cause_to_wire, dtype_to_wire
from embark.space import VectorForm
from embark.spec import DType
from embark.v1 import embark_pb2, types_pb2
from embark.v1.embark_pb2_grpc import EmbArkServiceServicer, add_EmbArkServiceServicer_to_server

Hook = Callable[[str, Any, grpc.ServicerContext], None]
HIT = types_pb2.KEY_STATUS_HIT
ENQUEUED = types_pb2.KEY_STATUS_OOV_ENQUEUED


@dataclass
class Rows:
    """One space: embeddings and negatives by key."""

    id: str
    form: VectorForm = field(default_factory=lambda: VectorForm(4, DType.FLOAT32))
    vectors: dict[bytes, bytes] = field(default_factory=dict)
    negatives: dict[bytes, Cause] = field(default_factory=dict)

    def fill(self, *keys: str) -> Self:
        """Give each key its vector()."""
        self.vectors |= {key.encode(): self.vector(key.encode()) for key in keys}
        return self

    def vector(self, key: bytes) -> bytes:
        """Return the vector of a key, unique to the key and the space."""
        seed = int.from_bytes(self.id.encode() + b"/" + key, "big")
        return np.random.default_rng(seed).standard_normal(self.form.dimension).astype(self.form.numpy).tobytes()

    @property
    def oov(self) -> bytes:
        """The OOV embedding: minus ones, which no fill produces."""
        return np.full(self.form.dimension, -1, dtype=self.form.numpy).tobytes()


class DictEmbArk(EmbArkServiceServicer):
    """Answers from `spaces`; records every request and runs `hook` before it, which may delay or refuse it."""

    def __init__(self, *spaces: Rows, max_keys: int = 4) -> None:
        self.spaces = {rows.id: rows for rows in spaces}
        self.active = spaces[0].id
        self.max_keys = max_keys
        self.requests: list[tuple[str, Any]] = []
        self.hook: Hook = lambda _method, _request, _context: None
        self.export_page = 3

    def received(self, method: str) -> list[Any]:
        """Return the requests of one method."""
        return [request for name, request in self.requests if name == method]

    def Lookup(self, request: embark_pb2.LookupRequest, context: grpc.ServicerContext) -> embark_pb2.LookupResponse:
        rows = self._begin("Lookup", request, context, request.space)
        return self._lookup(rows, request, context)

    def LookupStream(
        self, request_iterator: Iterator[embark_pb2.LookupStreamRequest], context: grpc.ServicerContext
    ) -> Iterator[embark_pb2.LookupStreamResponse]:
        for request in request_iterator:
            rows = self._begin("LookupStream", request.lookup, context, request.lookup.space)
            yield embark_pb2.LookupStreamResponse(lookup=self._lookup(rows, request.lookup, context))

    def Prefetch(
        self, request: embark_pb2.PrefetchRequest, context: grpc.ServicerContext
    ) -> embark_pb2.PrefetchResponse:
        rows = self._begin("Prefetch", request, context)
        reply = embark_pb2.PrefetchResponse(space=rows.id)
        self._report(rows, request.keys, reply, context)
        return reply

    def Put(self, request: embark_pb2.PutRequest, context: grpc.ServicerContext) -> embark_pb2.PutResponse:
        rows = self._begin("Put", request, context, request.space)
        size = rows.form.nbytes
        for index, key in enumerate(request.keys):
            rows.vectors[key] = request.vectors[index * size : (index + 1) * size]
        reply = embark_pb2.PutResponse()
        self._report(rows, request.keys, reply, context)
        return reply

    def Invalidate(
        self, request: embark_pb2.InvalidateRequest, context: grpc.ServicerContext
    ) -> embark_pb2.InvalidateResponse:
        rows = self._begin("Invalidate", request, context)
        for key in request.keys:
            rows.vectors.pop(key, None)
        reply = embark_pb2.InvalidateResponse()
        self._report(rows, request.keys, reply, context)
        return reply

    def DescribeSpace(
        self, request: embark_pb2.DescribeSpaceRequest, context: grpc.ServicerContext
    ) -> embark_pb2.DescribeSpaceResponse:
        rows = self._begin("DescribeSpace", request, context, request.space)
        return embark_pb2.DescribeSpaceResponse(
            space=rows.id,
            dimension=rows.form.dimension,
            dtype=dtype_to_wire(rows.form.dtype),
            modality="image",
            preprocessing="imagenet-224",
            normalization="none",
            model_digest=f"sha256:{'0' * 64}",
            output_tensor="embedding",
            oov_vector=rows.oov,
            entries=len(rows.vectors),
            max_keys_per_request=self.max_keys,
        )

    def Similar(self, request: embark_pb2.SimilarRequest, context: grpc.ServicerContext) -> embark_pb2.SimilarResponse:
        """Return the keys of the space in order; the score of a key is the share of the keys after it."""
        rows = self._begin("Similar", request, context, request.space)
        reply = embark_pb2.SimilarResponse(space=rows.id)
        near = sorted(rows.vectors)
        if request.WhichOneof("query") == "key":
            status = embark_pb2.PrefetchResponse()
            self._report(rows, [request.key], status, context)
            [reply.status] = status.statuses
            if status.causes:
                reply.cause.CopyFrom(status.causes[0])
            near = [key for key in near if key != request.key] if reply.status == HIT else []
        for place, key in enumerate(near[: request.k]):
            reply.keys.append(key)
            reply.scores.append(1 - place / len(near))
        return reply

    def DescribeRollout(
        self, request: embark_pb2.DescribeRolloutRequest, context: grpc.ServicerContext
    ) -> embark_pb2.DescribeRolloutResponse:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, f"no rollout of {request.space} is served here")

    def Export(
        self, request: embark_pb2.ExportRequest, context: grpc.ServicerContext
    ) -> Iterator[embark_pb2.ExportResponse]:
        rows = self._begin("Export", request, context, request.space)
        items = list(rows.vectors.items())
        for start in range(0, len(items), self.export_page):
            page = items[start : start + self.export_page]
            yield embark_pb2.ExportResponse(
                space=rows.id,
                dimension=rows.form.dimension,
                dtype=dtype_to_wire(rows.form.dtype),
                keys=[key for key, _ in page],
                vectors=b"".join(vector for _, vector in page),
            )

    def _begin(self, method: str, request: Any, context: grpc.ServicerContext, space: str = "") -> Rows:
        self.requests.append((method, request))
        self.hook(method, request, context)
        if (space or self.active) not in self.spaces:
            context.abort(grpc.StatusCode.NOT_FOUND, f"no space {space}")
        return self.spaces[space or self.active]

    def _lookup(
        self, rows: Rows, request: embark_pb2.LookupRequest, context: grpc.ServicerContext
    ) -> embark_pb2.LookupResponse:
        reply = embark_pb2.LookupResponse(
            space=rows.id, dimension=rows.form.dimension, dtype=dtype_to_wire(rows.form.dtype)
        )
        reply.vectors = b"".join(rows.vectors.get(key, rows.oov) for key in request.keys)
        self._report(rows, request.keys, reply, context)
        return reply

    def _report(self, rows: Rows, keys: Any, reply: Any, context: grpc.ServicerContext) -> None:
        if len(keys) > self.max_keys:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{len(keys)} keys; at most {self.max_keys}")
        for index, key in enumerate(keys):
            try:
                parse_key(key)
            except CauseError as error:
                reply.statuses.append(types_pb2.KEY_STATUS_INVALID)
                reply.causes[index].CopyFrom(cause_to_wire(error.cause))
                continue
            if key in rows.negatives:
                reply.statuses.append(types_pb2.KEY_STATUS_NEGATIVE)
                reply.causes[index].CopyFrom(cause_to_wire(rows.negatives[key]))
            else:
                reply.statuses.append(HIT if key in rows.vectors else ENQUEUED)


class Gate:
    """Holds calls until it is opened; counts the calls inside, and their maximum."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._lock = threading.Lock()
        self.inside = 0
        self.max_inside = 0

    def enter(self) -> None:
        """Wait until the gate is opened."""
        with self._lock:
            self.inside += 1
            self.max_inside = max(self.max_inside, self.inside)
        self._open.wait(30)
        with self._lock:
            self.inside -= 1

    def open(self) -> None:
        """Let all calls through."""
        self._open.set()


@contextmanager
def serving(servicer: EmbArkServiceServicer) -> Iterator[str]:
    """Serve on a free port of 127.0.0.1, and yield the target."""
    with ThreadPoolExecutor(max_workers=16) as pool:
        server = grpc.server(pool, options=server_options())
        add_EmbArkServiceServicer_to_server(servicer, server)
        healthy = HealthServicer()
        healthy.set("embark.v1.EmbArkService", health_pb2.HealthCheckResponse.SERVING)
        add_HealthServicer_to_server(healthy, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(grace=None).wait()
