"""Similar: the keys whose embeddings are nearest to that of a key, or to a vector; the servicer calls it."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from embark.clock import Clock
from embark.errors import UnavailableError
from embark.rpc.wire import cause_to_wire
from embark.statuses import KeyStatus
from embark.store import Neighbour, Search
from embark.v1 import embark_pb2 as pb
from embark_server.calls import Call
from embark_server.guarded_store import GuardedStore
from embark_server.lookup import Lookups
from embark_server.metrics import Metrics
from embark_server.refusals import InvalidRequestError, SearchOffError
from embark_server.spaces import ServedSpace, ServedSpaces
from embark_server.wire_answers import statuses_to_wire

# Each neighbour is a row that the store reads.
MAX_K: Final = 100


class Searches:
    """Answers searches of the spaces served here; `on` is spec.store.cassandra.vectorSearch, whatever the store is."""

    def __init__(
        self,
        spaces: ServedSpaces,
        lookups: Lookups,
        store: GuardedStore,
        clock: Clock,
        metrics: Metrics,
        *,
        on: bool,
    ) -> None:
        self._spaces = spaces
        self._lookups = lookups
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._on = on

    def answer(self, request: pb.SimilarRequest, call: Call) -> pb.SimilarResponse:
        """Return the neighbours of what the request asks for.

        Raises:
            SearchOffError: the cache has no vectorSearch.
            UnknownSpaceError: the space is not served here.
            InvalidRequestError: k, or the vector, is not acceptable; the message says why.
            UnavailableError: the store failed.
        """
        if not self._on:
            raise SearchOffError(
                "spec.store.cassandra.vectorSearch is false: this cache does not search for neighbours"
            )
        served = self._spaces.pick(request.space)
        if not 1 <= request.k <= MAX_K:
            raise InvalidRequestError(f"k is {request.k}; it must be 1 to {MAX_K}")
        with self._metrics.search_seconds.time():
            match request.WhichOneof("query"):
                case "key":
                    return self._answer_key(served, request.key, request.k, call)
                case "vector":
                    search = Search(_checked(request.vector, served), served.form, request.k)
                    return _found(served, self._store.similar(served.id, search, call.remaining()))
        raise InvalidRequestError("the request has neither a key nor a vector")

    def _answer_key(self, served: ServedSpace, key: bytes, k: int, call: Call) -> pb.SimilarResponse:
        """Look the key up as any look-up does, a fill of it included, then search with its embedding."""
        hot = served.hot.get_many([key], self._clock())
        answer = self._lookups.answer(served, [key], hot, call, 0.0)
        self._metrics.answered.count_statuses("Similar", served.role, answer.statuses)
        [status], [sent] = answer.statuses, statuses_to_wire(answer.statuses)
        if status == KeyStatus.UNAVAILABLE:
            raise UnavailableError("store", "it did not say whether the key has an embedding")
        if status != KeyStatus.HIT:
            cause = answer.causes.get(0)
            return pb.SimilarResponse(space=served.id, status=sent, cause=cause_to_wire(cause) if cause else None)
        search = Search(answer.rows[0], served.form, k, leave_out=key.decode())
        response = _found(served, self._store.similar(served.id, search, call.remaining()))
        response.status = sent
        return response


def _checked(vector: bytes, served: ServedSpace) -> bytes:
    form = served.form
    if len(vector) != form.nbytes:
        raise InvalidRequestError(
            f"vector has {len(vector)} bytes; {form.dimension} {form.dtype} elements have {form.nbytes}"
        )
    elements = np.frombuffer(vector, form.numpy)
    if not np.isfinite(elements).all() or not elements.any():
        raise InvalidRequestError("vector has no direction: an element is not finite, or all are zero")
    return vector


def _found(served: ServedSpace, neighbours: Sequence[Neighbour]) -> pb.SimilarResponse:
    return pb.SimilarResponse(
        space=served.id,
        keys=[neighbour.key.encode() for neighbour in neighbours],
        scores=[neighbour.score for neighbour in neighbours],
    )
