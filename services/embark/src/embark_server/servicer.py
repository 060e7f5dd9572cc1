"""EmbArkService over the core: reads messages, makes replies, and translates refusals to gRPC statuses."""

from collections.abc import Iterator, Sequence
from time import perf_counter
from typing import Final, NoReturn

import grpc
from google.protobuf.message import DecodeError

from embark.clock import Clock
from embark.errors import EmbArkError, UnavailableError
from embark.v1 import embark_pb2 as pb
from embark_server.answers import Answer
from embark_server.calls import Call, GrpcCall
from embark_server.changes import Changes
from embark_server.exports import describe, export
from embark_server.guarded_store import GuardedStore
from embark_server.lookup import Lookups
from embark_server.metrics import Metrics
from embark_server.refusals import (
    InvalidRequestError,
    SearchOffError,
    UnknownSpaceError,
    WrongSpaceError,
    check_count,
)
from embark_server.rollouts import describe_rollout
from embark_server.searches import Searches
from embark_server.spaces import ServedSpace, ServedSpaces
from embark_server.wire_answers import causes_to_wire, statuses_to_wire

_CODES: Final[dict[type[EmbArkError], grpc.StatusCode]] = {
    InvalidRequestError: grpc.StatusCode.INVALID_ARGUMENT,
    UnknownSpaceError: grpc.StatusCode.NOT_FOUND,
    WrongSpaceError: grpc.StatusCode.FAILED_PRECONDITION,
    SearchOffError: grpc.StatusCode.FAILED_PRECONDITION,
    UnavailableError: grpc.StatusCode.UNAVAILABLE,
}
_ROWS_ALONE: Final = {bytes}


class Servicer:
    """One method for each of EmbArkService; look-ups return the bytes of their reply, the others messages."""

    def __init__(
        self,
        *,
        spaces: ServedSpaces,
        lookups: Lookups,
        changes: Changes,
        searches: Searches,
        store: GuardedStore,
        clock: Clock,
        metrics: Metrics,
        max_keys: int,
    ) -> None:
        self._spaces = spaces
        self._lookups = lookups
        self._changes = changes
        self._searches = searches
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._answered = metrics.answered
        self._max_keys = max_keys
        self._draining = False

    def drain(self) -> None:
        """End streams after the request that they answer just now."""
        self._draining = True

    def lookup(self, encoded: bytes, context: grpc.ServicerContext) -> bytes:
        """Answer Lookup, bytes to bytes; when the hot tier has every row, with nothing made but the reply.

        The request is parsed here and not by the server, which would do it on the one thread that all calls go through.
        """
        started = perf_counter()
        try:
            request = _parse(encoded)
            served = self._spaces.pick(request.space)
            keys = self._keys(request.keys)
            budget = _budget(request)
            hot = served.hot.get_many(keys, self._clock())
            if set(map(type, hot)) == _ROWS_ALONE:
                reply = served.reply.encode_hits(hot)  # type: ignore[arg-type] # as the line above found out
                self._answered.count_hits(served.role, len(keys), perf_counter() - started)
                return reply
            answer = self._lookups.answer(served, keys, hot, GrpcCall(context), budget)
        except EmbArkError as error:
            self._refuse(error, context)
        self._answered.count_statuses("Lookup", served.role, answer.statuses)
        self._answered.count_seconds(perf_counter() - started, waited=answer.waited)
        return served.reply.encode(answer.statuses, answer.causes, answer.rows)

    def lookup_stream(
        self, requests: Iterator[pb.LookupStreamRequest], context: grpc.ServicerContext
    ) -> Iterator[bytes]:
        """Answer LookupStream: every request in order; one that Lookup would refuse ends the call."""
        call = GrpcCall(context)
        for message in requests:
            try:
                served, answer = self._answer_streamed(message.lookup, call)
            except EmbArkError as error:
                self._refuse(error, context)
            yield served.reply.encode_streamed(answer.statuses, answer.causes, answer.rows)
            if self._draining:
                context.abort(grpc.StatusCode.UNAVAILABLE, "the server stops; go on with another one")

    def prefetch(self, request: pb.PrefetchRequest, context: grpc.ServicerContext) -> pb.PrefetchResponse:
        """Answer Prefetch."""
        served = self._spaces.active
        try:
            keys = self._keys(request.keys)
            answer = self._lookups.prefetch(served, keys, GrpcCall(context))
        except EmbArkError as error:
            self._refuse(error, context)
        self._answered.count_statuses("Prefetch", served.role, answer.statuses)
        return pb.PrefetchResponse(
            space=served.id, statuses=statuses_to_wire(answer.statuses), causes=causes_to_wire(answer.causes)
        )

    def put(self, request: pb.PutRequest, context: grpc.ServicerContext) -> pb.PutResponse:
        """Answer Put."""
        try:
            served = self._spaces.pick_written(request.space)
            answer = self._changes.put(served, self._keys(request.keys), request.vectors)
        except EmbArkError as error:
            self._refuse(error, context)
        self._answered.count_statuses("Put", served.role, answer.statuses)
        return pb.PutResponse(statuses=statuses_to_wire(answer.statuses), causes=causes_to_wire(answer.causes))

    def invalidate(self, request: pb.InvalidateRequest, context: grpc.ServicerContext) -> pb.InvalidateResponse:
        """Answer Invalidate."""
        try:
            answer = self._changes.invalidate(self._keys(request.keys), GrpcCall(context))
        except EmbArkError as error:
            self._refuse(error, context)
        self._answered.count_statuses("Invalidate", self._spaces.active.role, answer.statuses)
        return pb.InvalidateResponse(statuses=statuses_to_wire(answer.statuses), causes=causes_to_wire(answer.causes))

    def describe_space(
        self, request: pb.DescribeSpaceRequest, context: grpc.ServicerContext
    ) -> pb.DescribeSpaceResponse:
        """Answer DescribeSpace."""
        try:
            served = self._spaces.pick(request.space)
            return describe(served, self._store.count(served.id), self._max_keys)
        except EmbArkError as error:
            self._refuse(error, context)

    def describe_rollout(
        self, request: pb.DescribeRolloutRequest, context: grpc.ServicerContext
    ) -> pb.DescribeRolloutResponse:
        """Answer DescribeRollout."""
        try:
            return describe_rollout(request.space, self._store)
        except EmbArkError as error:
            self._refuse(error, context)

    def similar(self, request: pb.SimilarRequest, context: grpc.ServicerContext) -> pb.SimilarResponse:
        """Answer Similar."""
        try:
            return self._searches.answer(request, GrpcCall(context))
        except EmbArkError as error:
            self._refuse(error, context)

    def export(self, request: pb.ExportRequest, context: grpc.ServicerContext) -> Iterator[pb.ExportResponse]:
        """Answer Export; ends when the caller is gone, as nothing reads what it yields any more."""
        try:
            served = self._spaces.pick(request.space)
            for response in export(served, self._store, self._metrics):
                yield response
                if not context.is_active():
                    return
                if self._draining:
                    raise UnavailableError("EmbArk", "the server stops; begin again with another one")
        except EmbArkError as error:
            self._refuse(error, context)

    def _answer_streamed(self, request: pb.LookupRequest, call: Call) -> tuple[ServedSpace, Answer]:
        started = perf_counter()
        served = self._spaces.pick(request.space)
        keys = self._keys(request.keys)
        hot = served.hot.get_many(keys, self._clock())
        answer = self._lookups.answer(served, keys, hot, call, _budget(request))
        self._answered.count_statuses("LookupStream", served.role, answer.statuses)
        self._answered.count_seconds(perf_counter() - started, waited=answer.waited)
        return served, answer

    def _keys(self, keys: Sequence[bytes]) -> list[bytes]:
        check_count(len(keys), self._max_keys)
        return list(keys)

    def _refuse(self, error: EmbArkError, context: grpc.ServicerContext) -> NoReturn:
        code = _CODES.get(type(error), grpc.StatusCode.UNAVAILABLE)
        self._metrics.refused.labels(code.name).inc()
        context.abort(code, str(error))


def _parse(encoded: bytes) -> pb.LookupRequest:
    try:
        return pb.LookupRequest.FromString(encoded)
    except DecodeError as error:
        raise InvalidRequestError(f"the bytes are not a LookupRequest: {error}") from None


def _budget(request: pb.LookupRequest) -> float:
    if not request.HasField("wait_budget"):
        return 0.0
    budget = request.wait_budget
    if budget.seconds < 0 or budget.nanos < 0:
        raise InvalidRequestError(f"wait_budget is negative: {budget.seconds} s {budget.nanos} ns")
    return float(budget.seconds + budget.nanos / 1e9)
