"""Similar: the keys whose embeddings are nearest to that of a key, or to a vector."""

from collections.abc import Sequence

import numpy as np

from embark.errors import UnavailableError
from embark.rpc.wire import cause_to_wire
from embark.statuses import KeyStatus
from embark.store import Neighbour, Search
from embark.v1 import embark_pb2 as pb
from embark_server.answers import statuses_to_wire
from embark_server.calls import CallContext
from embark_server.context import ServerContext
from embark_server.lookup import Lookups
from embark_server.refusals import InvalidArgumentError, SearchDisabledError
from embark_server.spaces import ServedSpace


class Searches:
    """Answers searches of the served spaces, if spec.store.cassandra.vectorSearch is on, on any store."""

    def __init__(self, context: ServerContext, lookups: Lookups) -> None:
        self._spaces = context.spaces
        self._store = context.store
        self._clock = context.clock
        self._metrics = context.metrics
        self._max_k = context.limits.neighbours
        self._enabled = context.settings.store.cassandra.vector_search
        self._lookups = lookups

    def answer(self, request: pb.SimilarRequest, call: CallContext) -> pb.SimilarResponse:
        """Return the neighbours of the requested key or vector.

        Raises:
            SearchDisabledError: vectorSearch is off.
            UnknownSpaceError: the space is not served here.
            InvalidArgumentError: k or the vector is not valid; the message says why.
            UnavailableError: the store failed.
        """
        if not self._enabled:
            raise SearchDisabledError(
                "this cache does not search for neighbours; set spec.store.cassandra.vectorSearch to enable it"
            )
        served = self._spaces.pick(request.space)
        if not 1 <= request.k <= self._max_k:
            raise InvalidArgumentError(f"k is {request.k}; it must be 1 to {self._max_k}")
        with self._metrics.search_seconds.time():
            match request.WhichOneof("query"):
                case "key":
                    return self._answer_key(served, request.key, request.k, call)
                case "vector":
                    search = Search(_checked(request.vector, served), served.form, request.k)
                    return _to_response(served, self._store.similar(served.id, search, call.remaining()))
        raise InvalidArgumentError("the request has neither a key nor a vector")

    def _answer_key(self, served: ServedSpace, key: bytes, k: int, call: CallContext) -> pb.SimilarResponse:
        """Look the key up, requesting its fill if it has no embedding; then search with its embedding."""
        hot = served.hot.get_many([key], self._clock())
        answer = self._lookups.answer(served, [key], hot, call, 0.0)
        self._metrics.lookups.count_statuses("Similar", served.role, answer.statuses)
        [status], [sent] = answer.statuses, statuses_to_wire(answer.statuses)
        if status == KeyStatus.UNAVAILABLE:
            raise UnavailableError("store", "it did not report whether the key has an embedding")
        if status != KeyStatus.HIT:
            cause = answer.causes.get(0)
            return pb.SimilarResponse(space=served.id, status=sent, cause=cause_to_wire(cause) if cause else None)
        search = Search(answer.rows[0], served.form, k, leave_out=key.decode())
        response = _to_response(served, self._store.similar(served.id, search, call.remaining()))
        response.status = sent
        return response


def _checked(vector: bytes, served: ServedSpace) -> bytes:
    form = served.form
    if len(vector) != form.nbytes:
        raise InvalidArgumentError(
            f"vector has {len(vector)} bytes; {form.dimension} {form.dtype} elements have {form.nbytes}"
        )
    elements = np.frombuffer(vector, form.numpy)
    if not np.isfinite(elements).all() or not elements.any():
        raise InvalidArgumentError("vector has no direction: an element is not finite, or all are zero")
    return vector


def _to_response(served: ServedSpace, neighbours: Sequence[Neighbour]) -> pb.SimilarResponse:
    return pb.SimilarResponse(
        space=served.id,
        keys=[neighbour.key.encode() for neighbour in neighbours],
        scores=[neighbour.score for neighbour in neighbours],
    )
