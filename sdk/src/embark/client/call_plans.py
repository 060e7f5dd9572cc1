"""The logic of the client's methods without I/O, shared by both clients.

A call plan is a generator: it yields the calls to make next, is sent one reply per call (a message, or the error that
the call ended with), and returns the method's result.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from embark.client.batches import BatchLimits, Keys, Vector, encode_keys, split, to_rows, to_vector_bytes
from embark.client.deadlines import CallDeadline, OnMiss, to_duration
from embark.client.errors import BadReplyError, InvalidRequestError, MissingEmbeddingsError, MixedSpacesError
from embark.client.replies import (
    empty_embeddings,
    merge_lookups,
    merge_outcomes,
    neighbours_from_reply,
    rollout_from_reply,
    space_from_reply,
)
from embark.client.results import Embeddings, Neighbours, Outcomes, RolloutDescription, SpaceDescription
from embark.errors import EmbArkError
from embark.v1 import embark_pb2

if TYPE_CHECKING:
    from embark.space import VectorForm

T = TypeVar("T")
_UINT32: Final = 2**32


@dataclass(frozen=True, slots=True)
class ServerCall:
    """One unary call to the server."""

    method: str
    """The method of EmbArkService."""
    request: Any
    waits: bool = False
    """Whether the server may wait for fills."""
    share: float = 1.0
    """The share of the remaining time that the call may take."""

    def timeout(self, deadline: CallDeadline) -> float:
        """Return the seconds this call may take if it is sent now, and set the wait budget of a request that waits.

        0 means that it must not be sent: gRPC might still find the time to answer it.
        """
        if self.waits:
            self.request.wait_budget.CopyFrom(to_duration(deadline.wait_left()))
        return deadline.left() * self.share


CallPlan = Generator[Sequence[ServerCall], Sequence[Any], T]


class CallPlanner:
    """The call plans of one client, and what they learned from the server: its limits and the forms of its spaces."""

    def __init__(self, server: str) -> None:
        self.server = server
        self._limits: BatchLimits | None = None
        # By space, and under "" that of the active one until a request is refused.
        self._forms: dict[str, VectorForm] = {}

    @property
    def limits(self) -> BatchLimits:
        """The server's limits as far as they are known."""
        return self._limits or BatchLimits()

    def describe(self, space: str | None) -> CallPlan[SpaceDescription]:
        """Describe a space."""
        [reply] = self._answers((yield [_describe_call(space)]))
        description = self._learn(reply)
        if not space:
            self._forms[""] = description.form
        return description

    def lookup(self, keys: Keys, space: str | None, on_miss: OnMiss) -> CallPlan[Embeddings]:
        """Look up embeddings, all of one space."""
        raw = encode_keys(keys)
        if not raw:
            description = yield from self.describe(space)
            return empty_embeddings(description.form, description.space)
        batches = [raw[part] for part in (yield from self._split(raw))]
        waits = on_miss == "wait"
        replies = self._answers((yield [_lookup_call(batch, space, waits=waits) for batch in batches]))
        if space and any(reply.space != space for reply in replies):
            raise self._wrong_space(space)
        replies = yield from self._one_space(batches, replies, waits=waits)
        embeddings = merge_lookups(self.server, [len(batch) for batch in batches], replies)
        return self.checked(raw, embeddings, on_miss)

    def prefetch(self, keys: Keys) -> CallPlan[Outcomes]:
        """Request fills."""
        return (yield from self._outcomes("Prefetch", embark_pb2.PrefetchRequest, encode_keys(keys)))

    def invalidate(self, keys: Keys) -> CallPlan[Outcomes]:
        """Delete rows and request their fills."""
        return (yield from self._outcomes("Invalidate", embark_pb2.InvalidateRequest, encode_keys(keys)))

    def put(self, space: str, keys: Keys, vectors: npt.NDArray[np.generic]) -> CallPlan[Outcomes]:
        """Write embeddings, [number of keys, dimension]."""
        if not space:
            raise InvalidRequestError(self.server, "put needs the id of the space that the vectors are of")
        raw = encode_keys(keys)
        if space not in self._forms:
            yield from self.describe(space)
        form = self._forms.get(space)
        if form is None:
            raise BadReplyError(self.server, f"space {space} was requested, but another one was described")
        try:
            rows = to_rows(vectors, len(raw), form)
        except ValueError as error:
            raise InvalidRequestError(self.server, str(error)) from None
        parts = yield from self._split(raw)
        requests = [embark_pb2.PutRequest(space=space, keys=raw[p], vectors=rows[p].tobytes()) for p in parts]
        replies = self._answers((yield [ServerCall("Put", request) for request in requests]))
        return merge_outcomes(self.server, [len(request.keys) for request in requests], replies)

    def similar(self, query: str | bytes | Vector, k: int, space: str | None) -> CallPlan[Neighbours]:
        """Find the neighbours of a key or of a vector."""
        if not 0 < k < _UINT32:
            raise InvalidRequestError(self.server, f"k is {k}; it must be at least 1 and below 2^32")
        request = embark_pb2.SimilarRequest(k=k, space=space or "")
        is_key = isinstance(query, str | bytes)
        if isinstance(query, str | bytes):
            [request.key] = encode_keys([query])
        else:
            form = self._forms.get(space or "")
            if form is None:
                form = (yield from self.describe(space)).form
            try:
                request.vector = to_vector_bytes(query, form)
            except ValueError as error:
                raise InvalidRequestError(self.server, str(error)) from None
        [reply] = self._answers((yield [ServerCall("Similar", request)]))
        if space and reply.space != space:
            raise self._wrong_space(space)
        return neighbours_from_reply(self.server, reply, k, is_key=is_key)

    def describe_rollout(self, space: str) -> CallPlan[RolloutDescription]:
        """Describe the progress of the re-embedding into a space."""
        request = embark_pb2.DescribeRolloutRequest(space=space)
        [reply] = self._answers((yield [ServerCall("DescribeRollout", request)]))
        return rollout_from_reply(self.server, reply)

    def checked(self, keys: Sequence[bytes], embeddings: Embeddings, on_miss: OnMiss) -> Embeddings:
        """Return the embeddings.

        Raises:
            MissingEmbeddingsError: on_miss is "raise", and a key has no embedding.
        """
        if on_miss == "raise" and not embeddings.hits.all():
            raise MissingEmbeddingsError(self.server, keys, embeddings)
        return embeddings

    def _outcomes(self, method: str, request: Any, raw: Sequence[bytes]) -> CallPlan[Outcomes]:
        batches = [raw[part] for part in (yield from self._split(raw))]
        replies = self._answers((yield [ServerCall(method, request(keys=batch)) for batch in batches]))
        return merge_outcomes(self.server, [len(batch) for batch in batches], replies)

    def _split(self, raw: Sequence[bytes]) -> CallPlan[list[slice]]:
        if len(raw) > 1 and self._limits is None:
            # May fail: a description counts the space's entries in the store, which lookups do not depend on.
            [reply] = yield [_describe_call(None, share=0.5)]
            if not isinstance(reply, EmbArkError):
                self._learn(reply)
        return split(raw, self.limits)

    def _one_space(
        self, batches: Sequence[list[bytes]], replies: list[embark_pb2.LookupResponse], *, waits: bool
    ) -> CallPlan[list[embark_pb2.LookupResponse]]:
        """Repeat the batches that another space answered, pinned to one space; the first space seen is tried first."""
        spaces = list(dict.fromkeys(reply.space for reply in replies))
        if len(spaces) == 1:
            return replies
        for space in spaces:
            others = [index for index, reply in enumerate(replies) if reply.space != space]
            again = yield [_lookup_call(batches[index], space, waits=waits) for index in others]
            pinned = dict(zip(others, again, strict=True))
            if all(not isinstance(reply, EmbArkError) and reply.space == space for reply in again):
                return [pinned.get(index, reply) for index, reply in enumerate(replies)]
        raise MixedSpacesError(self.server, spaces)

    def _learn(self, reply: embark_pb2.DescribeSpaceResponse) -> SpaceDescription:
        description = space_from_reply(self.server, reply)
        self._forms[description.space] = description.form
        self._limits = BatchLimits(description.max_keys_per_request or BatchLimits().keys, description.form.nbytes)
        return description

    def _answers(self, replies: Sequence[Any]) -> list[Any]:
        for reply in replies:
            if isinstance(reply, InvalidRequestError):
                # The server's limits or its active space may have changed: learn them again.
                self._limits = None
                self._forms.pop("", None)
            if isinstance(reply, EmbArkError):
                raise reply
        return list(replies)

    def _wrong_space(self, space: str) -> BadReplyError:
        return BadReplyError(self.server, f"space {space} was requested, but another one answered")


def _describe_call(space: str | None, share: float = 1.0) -> ServerCall:
    return ServerCall("DescribeSpace", embark_pb2.DescribeSpaceRequest(space=space or ""), share=share)


def _lookup_call(keys: Sequence[bytes], space: str | None, *, waits: bool) -> ServerCall:
    return ServerCall("Lookup", embark_pb2.LookupRequest(keys=keys, space=space or ""), waits=waits)
