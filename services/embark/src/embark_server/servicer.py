"""EmbArkService: parses messages, builds replies, and translates errors to gRPC statuses."""

from collections.abc import Iterator, Sequence
from time import perf_counter
from typing import Final, NoReturn

import grpc
from google.protobuf.message import DecodeError

from embark.errors import EmbArkError, UnavailableError
from embark.v1 import embark_pb2 as pb
from embark_server.answers import Answer, causes_to_wire, statuses_to_wire
from embark_server.calls import CallContext, GrpcCallContext
from embark_server.changes import Changes
from embark_server.context import ServerContext
from embark_server.counts import describe_rollout
from embark_server.exports import describe, export
from embark_server.lookup import Lookups
from embark_server.refusals import InvalidArgumentError, SearchDisabledError, UnknownSpaceError, WrongSpaceError
from embark_server.searches import Searches
from embark_server.spaces import ServedSpace

_CODES: Final[dict[type[EmbArkError], grpc.StatusCode]] = {
    InvalidArgumentError: grpc.StatusCode.INVALID_ARGUMENT,
    UnknownSpaceError: grpc.StatusCode.NOT_FOUND,
    WrongSpaceError: grpc.StatusCode.FAILED_PRECONDITION,
    SearchDisabledError: grpc.StatusCode.FAILED_PRECONDITION,
    UnavailableError: grpc.StatusCode.UNAVAILABLE,
}
_ONLY_ROWS: Final = {bytes}


class Servicer:
    """One method for each RPC; lookups return the bytes of their reply, the others messages."""

    def __init__(self, context: ServerContext, lookups: Lookups, changes: Changes, searches: Searches) -> None:
        self._spaces = context.spaces
        self._store = context.store
        self._clock = context.clock
        self._metrics = context.metrics
        self._counters = context.metrics.lookups
        self._max_keys = context.settings.serving.max_keys_per_request
        self._lookups = lookups
        self._changes = changes
        self._searches = searches
        self._draining = False

    def drain(self) -> None:
        """End each stream after its current request."""
        self._draining = True

    def lookup(self, encoded: bytes, context: grpc.ServicerContext) -> bytes:
        """Answer Lookup, bytes to bytes; if every row is in the hot tier, the reply is all that is built.

        The request is parsed here: the gRPC server would parse it on the single thread that all calls pass through.
        """
        started = perf_counter()
        try:
            request = _parse(encoded)
            served = self._spaces.pick(request.space)
            keys = self._checked(request.keys)
            budget = _parse_budget(request)
            hot = served.hot.get_many(keys, self._clock())
            if set(map(type, hot)) == _ONLY_ROWS:
                reply = served.reply.encode_hits(hot)  # type: ignore[arg-type] # the condition has checked the types
                self._counters.count_hits(served.role, len(keys), perf_counter() - started)
                return reply
            answer = self._lookups.answer(served, keys, hot, GrpcCallContext(context), budget)
        except EmbArkError as error:
            self._refuse(error, context)
        self._counters.count_statuses("Lookup", served.role, answer.statuses)
        self._counters.count_seconds(perf_counter() - started, waited=answer.waited)
        return served.reply.encode(answer.statuses, answer.causes, answer.rows)

    def lookup_stream(
        self, requests: Iterator[pb.LookupStreamRequest], context: grpc.ServicerContext
    ) -> Iterator[bytes]:
        """Answer the requests of a LookupStream in order; one that Lookup would refuse ends the call."""
        call = GrpcCallContext(context)
        for message in requests:
            try:
                served, answer = self._answer_streamed(message.lookup, call)
            except EmbArkError as error:
                self._refuse(error, context)
            yield served.reply.encode_streamed(answer.statuses, answer.causes, answer.rows)
            if self._draining:
                context.abort(grpc.StatusCode.UNAVAILABLE, "the server is shutting down; continue with another server")

    def prefetch(self, request: pb.PrefetchRequest, context: grpc.ServicerContext) -> pb.PrefetchResponse:
        """Answer Prefetch."""
        served = self._spaces.active
        try:
            answer = self._lookups.prefetch(served, self._checked(request.keys), GrpcCallContext(context))
        except EmbArkError as error:
            self._refuse(error, context)
        self._counters.count_statuses("Prefetch", served.role, answer.statuses)
        return pb.PrefetchResponse(
            space=served.id, statuses=statuses_to_wire(answer.statuses), causes=causes_to_wire(answer.causes)
        )

    def put(self, request: pb.PutRequest, context: grpc.ServicerContext) -> pb.PutResponse:
        """Answer Put."""
        try:
            served = self._spaces.pick_written(request.space)
            answer = self._changes.put(served, self._checked(request.keys), request.vectors)
        except EmbArkError as error:
            self._refuse(error, context)
        self._counters.count_statuses("Put", served.role, answer.statuses)
        return pb.PutResponse(statuses=statuses_to_wire(answer.statuses), causes=causes_to_wire(answer.causes))

    def invalidate(self, request: pb.InvalidateRequest, context: grpc.ServicerContext) -> pb.InvalidateResponse:
        """Answer Invalidate."""
        try:
            answer = self._changes.invalidate(self._checked(request.keys), GrpcCallContext(context))
        except EmbArkError as error:
            self._refuse(error, context)
        self._counters.count_statuses("Invalidate", self._spaces.active.role, answer.statuses)
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
            return self._searches.answer(request, GrpcCallContext(context))
        except EmbArkError as error:
            self._refuse(error, context)

    def export(self, request: pb.ExportRequest, context: grpc.ServicerContext) -> Iterator[pb.ExportResponse]:
        """Answer Export; stop when the caller has cancelled."""
        try:
            served = self._spaces.pick(request.space)
            for response in export(served, self._store, self._metrics):
                yield response
                if not context.is_active():
                    return
                if self._draining:
                    raise UnavailableError("EmbArk", "the server is shutting down; start again with another server")
        except EmbArkError as error:
            self._refuse(error, context)

    def _answer_streamed(self, request: pb.LookupRequest, call: CallContext) -> tuple[ServedSpace, Answer]:
        started = perf_counter()
        served = self._spaces.pick(request.space)
        keys = self._checked(request.keys)
        hot = served.hot.get_many(keys, self._clock())
        answer = self._lookups.answer(served, keys, hot, call, _parse_budget(request))
        self._counters.count_statuses("LookupStream", served.role, answer.statuses)
        self._counters.count_seconds(perf_counter() - started, waited=answer.waited)
        return served, answer

    def _checked(self, keys: Sequence[bytes]) -> list[bytes]:
        if len(keys) > self._max_keys:
            raise InvalidArgumentError(
                f"the request has {len(keys)} keys; at most {self._max_keys} are allowed (maxKeysPerRequest)"
            )
        if not keys:
            raise InvalidArgumentError("the request has no keys")
        return list(keys)

    def _refuse(self, error: EmbArkError, context: grpc.ServicerContext) -> NoReturn:
        code = _CODES.get(type(error), grpc.StatusCode.UNAVAILABLE)
        self._metrics.refused.labels(code.name).inc()
        context.abort(code, str(error))


def _parse(encoded: bytes) -> pb.LookupRequest:
    try:
        return pb.LookupRequest.FromString(encoded)
    except DecodeError as error:
        raise InvalidArgumentError(f"the message is not a LookupRequest: {error}") from None


def _parse_budget(request: pb.LookupRequest) -> float:
    """Return wait_budget in seconds; 0 if it is not set."""
    if not request.HasField("wait_budget"):
        return 0.0
    budget = request.wait_budget
    if budget.seconds < 0 or budget.nanos < 0:
        raise InvalidArgumentError(f"wait_budget is negative: {budget.seconds} s {budget.nanos} ns")
    return float(budget.seconds + budget.nanos / 1e9)
