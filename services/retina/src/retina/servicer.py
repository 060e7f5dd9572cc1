"""RetinaServicer: translates between the Encode messages and items, outcomes and causes."""

import logging
from collections.abc import Sequence
from typing import Final, NoReturn

import grpc
import grpc.aio

from embark.causes import Cause, CauseKind
from embark.rpc.tracing import TRACEPARENT
from embark.rpc.wire import cause_to_wire, dtype_to_wire
from embark.space import Space
from embark.v1 import retina_pb2, retina_pb2_grpc
from retina.call_encoder import CallEncoder
from retina.metrics import RetinaMetrics
from retina.model_encoder import EncoderItem, ItemKind, Outcome

MAX_ITEMS: Final = 1024
"""The limit of one request."""

Request = retina_pb2.EncodeRequest
Response = retina_pb2.EncodeResponse
Context = grpc.aio.ServicerContext[Request, Response]

_EMPTY: Final = Cause(CauseKind.UNDECODABLE, "the item has neither key, content nor tensor")


class RetinaServicer(retina_pb2_grpc.RetinaServiceServicer):
    """Answers Encode for one space."""

    def __init__(self, cache: str, space: Space, encoder: CallEncoder, metrics: RetinaMetrics) -> None:
        self._cache = cache
        self._id = space.id
        self._dimension = space.dimension
        self._dtype = dtype_to_wire(space.dtype)
        self._encoder = encoder
        self._metrics = metrics
        self._log = logging.getLogger(__name__)

    async def Encode(self, request: Request, context: Context) -> Response:  # noqa: N802 - the name in the proto
        """Answer every item with a vector or a cause.

        Aborts with FAILED_PRECONDITION if the request is for another space, and with INVALID_ARGUMENT if it has more
        than MAX_ITEMS items.
        """
        await self._check(request, context)
        keys = [item.key for item in request.items if item.WhichOneof("input") == "key"]
        items = [_from_wire(item) for item in request.items if item.WhichOneof("input") in {"content", "tensor"}]
        by_key, settled = await self._encoder.encode(keys, items)
        in_order = iter(settled)
        outcomes = [_find_outcome(item, by_key) or next(in_order) for item in request.items]
        self._record(request, outcomes, context)
        results = [_to_wire(outcome) for outcome in outcomes]
        return Response(space=self._id, dimension=self._dimension, dtype=self._dtype, results=results)

    async def _check(self, request: Request, context: Context) -> None:
        if request.space != self._id:
            detail = f"the request is for space {request.space!r}; this Retina encodes for space {self._id!r}"
            await _abort(context, grpc.StatusCode.FAILED_PRECONDITION, detail)
        if len(request.items) > MAX_ITEMS:
            detail = f"the request has {len(request.items)} items; at most {MAX_ITEMS} are allowed"
            await _abort(context, grpc.StatusCode.INVALID_ARGUMENT, detail)

    def _record(self, request: Request, outcomes: Sequence[Outcome], context: Context) -> None:
        embedded = 0
        for item, outcome in zip(request.items, outcomes, strict=True):
            if not isinstance(outcome, Cause):
                embedded += 1
                continue
            self._metrics.causes[outcome.kind].inc()
            key = item.key.decode(errors="replace")[:200]
            extra = {"cache": self._cache, "space": self._id, "key": key, "cause": outcome.kind.value}
            self._log.info("not encoded: %s", outcome, extra=extra)
        self._metrics.embedded.inc(embedded)
        self._log.debug(
            "encoded %d of %d items",
            embedded,
            len(outcomes),
            extra={"cache": self._cache, "space": self._id, "traceparent": _find_traceparent(context)},
        )


async def _abort(context: Context, code: grpc.StatusCode, detail: str) -> NoReturn:
    await context.abort(code, detail)
    raise AssertionError("unreachable: abort() does not return")


def _from_wire(item: retina_pb2.EncodeItem) -> EncoderItem:
    if item.WhichOneof("input") == "content":
        return EncoderItem(ItemKind.CONTENT, item.content)
    return EncoderItem(ItemKind.TENSOR, item.tensor)


def _find_outcome(item: retina_pb2.EncodeItem, by_key: dict[bytes, Outcome]) -> Outcome | None:
    """Return the outcome of a key or of an empty item; None for content and tensors, whose outcomes are in order."""
    kind = item.WhichOneof("input")
    if kind is None:
        return _EMPTY
    return by_key[item.key] if kind == "key" else None


def _to_wire(outcome: Outcome) -> retina_pb2.EncodeResult:
    if isinstance(outcome, Cause):
        return retina_pb2.EncodeResult(cause=cause_to_wire(outcome))
    return retina_pb2.EncodeResult(vector=outcome.vector, content_hash=outcome.content_hash)


def _find_traceparent(context: Context) -> str:
    for name, value in context.invocation_metadata() or ():
        if name == TRACEPARENT:
            return value if isinstance(value, str) else value.decode(errors="replace")
    return ""
