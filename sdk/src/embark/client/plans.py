"""What each method of the client asks and makes of the replies, without I/O; both clients run these same plans.

A plan is a generator: it yields the calls to make next, is sent a reply for each (a message, or the error it ended in),
and returns the method's value.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from embark.client.batches import Keys, Limits, Vector, encode_keys, rows_of_form, split, vector_of_form
from embark.client.embeddings import Embeddings, Neighbours, Outcomes
from embark.client.refusals import BadReplyError, InvalidRequestError, MissingEmbeddingsError, MixedSpacesError
from embark.client.replies import empty_embeddings, merge_lookups, merge_outcomes, neighbours_of_reply
from embark.client.rollouts import RolloutDescription, rollout_of_wire
from embark.client.spaces import SpaceDescription, description_of_wire
from embark.client.terms import OnMiss, Terms, duration_of
from embark.errors import EmbArkError
from embark.v1 import embark_pb2

if TYPE_CHECKING:
    from embark.space import VectorForm

T = TypeVar("T")
SERVICE: Final = "embark.v1.EmbArkService"
"""The full name, as the health check of a channel asks for it."""
_UINT32: Final = 2**32


@dataclass(frozen=True, slots=True)
class Call:
    """One unary call: `method` of EmbArkService, and the share of the time left that it may take."""

    method: str
    request: Any
    waits: bool = False
    share: float = 1.0

    def timeout(self, terms: Terms) -> float:
        """Return the seconds this call may take if it is sent now, and put the wait budget into a request that waits.

        0 means that it must not be sent: gRPC may still find the time to answer it.
        """
        if self.waits:
            self.request.wait_budget.CopyFrom(duration_of(terms.wait_left()))
        return terms.left() * self.share


Plan = Generator[Sequence[Call], Sequence[Any], T]


class Plans:
    """The plans of one client, and what they learnt from the server: its limits and the forms of its spaces."""

    def __init__(self, server: str) -> None:
        self.server = server
        self._limits: Limits | None = None
        self._forms: dict[str, VectorForm] = {}  # of the active space under "" too, until a request is refused

    @property
    def limits(self) -> Limits:
        """What the server takes in one request, as far as is known."""
        return self._limits or Limits()

    def describe(self, space: str | None) -> Plan[SpaceDescription]:
        """Ask what a space is."""
        [reply] = self._answers((yield [_describe_call(space)]))
        description = self._learn(reply)
        if not space:
            self._forms[""] = description.form
        return description

    def lookup(self, keys: Keys, space: str | None, on_miss: OnMiss) -> Plan[Embeddings]:
        """Ask for embeddings, all of one space."""
        raw = encode_keys(keys)
        if not raw:
            description = yield from self.describe(space)
            return empty_embeddings(description.form, description.space)
        batches = [raw[part] for part in (yield from self._split(raw))]
        waits = on_miss == "wait"
        replies = self._answers((yield [_lookup_call(batch, space, waits=waits) for batch in batches]))
        if space and any(reply.space != space for reply in replies):
            raise BadReplyError(self.server, f"space {space} was asked for, and another one answered")
        replies = yield from self._one_space(batches, replies, waits=waits)
        embeddings = merge_lookups(self.server, [len(batch) for batch in batches], replies)
        return self.checked(raw, embeddings, on_miss)

    def prefetch(self, keys: Keys) -> Plan[Outcomes]:
        """Ask for fills."""
        return (yield from self._outcomes("Prefetch", embark_pb2.PrefetchRequest, encode_keys(keys)))

    def invalidate(self, keys: Keys) -> Plan[Outcomes]:
        """Ask for rows to be deleted and filled again."""
        return (yield from self._outcomes("Invalidate", embark_pb2.InvalidateRequest, encode_keys(keys)))

    def put(self, space: str, keys: Keys, vectors: npt.NDArray[np.generic]) -> Plan[Outcomes]:
        """Write embeddings that the caller computed, [number of keys, dimension]."""
        if not space:
            raise InvalidRequestError(self.server, "put needs the id of the space that the vectors are of")
        raw = encode_keys(keys)
        if space not in self._forms:
            yield from self.describe(space)
        form = self._forms.get(space)
        if form is None:
            raise BadReplyError(self.server, f"space {space} was asked for, and another one was described")
        try:
            rows = rows_of_form(vectors, len(raw), form)
        except ValueError as error:
            raise InvalidRequestError(self.server, str(error)) from None
        parts = yield from self._split(raw)
        requests = [embark_pb2.PutRequest(space=space, keys=raw[p], vectors=rows[p].tobytes()) for p in parts]
        replies = self._answers((yield [Call("Put", request) for request in requests]))
        return merge_outcomes(self.server, [len(request.keys) for request in requests], replies)

    def similar(self, query: str | bytes | Vector, k: int, space: str | None) -> Plan[Neighbours]:
        """Ask for the neighbours of a key, or of a vector."""
        if not 0 < k < _UINT32:
            raise InvalidRequestError(self.server, f"k is {k}; it counts the neighbours to find")
        request = embark_pb2.SimilarRequest(k=k, space=space or "")
        of_key = isinstance(query, str | bytes)
        if isinstance(query, str | bytes):
            [request.key] = encode_keys([query])
        else:
            form = self._forms.get(space or "")
            if form is None:
                form = (yield from self.describe(space)).form
            try:
                request.vector = vector_of_form(query, form)
            except ValueError as error:
                raise InvalidRequestError(self.server, str(error)) from None
        [reply] = self._answers((yield [Call("Similar", request)]))
        if space and reply.space != space:
            raise BadReplyError(self.server, f"space {space} was asked for, and another one answered")
        return neighbours_of_reply(self.server, reply, k, of_key=of_key)

    def describe_rollout(self, space: str) -> Plan[RolloutDescription]:
        """Ask how far the re-embedding into a space has come."""
        request = embark_pb2.DescribeRolloutRequest(space=space)
        [reply] = self._answers((yield [Call("DescribeRollout", request)]))
        try:
            return rollout_of_wire(reply)
        except ValueError as error:
            raise BadReplyError(self.server, str(error)) from None

    def checked(self, keys: Sequence[bytes], embeddings: Embeddings, on_miss: OnMiss) -> Embeddings:
        """Return the embeddings.

        Raises:
            MissingEmbeddingsError: on_miss is "raise", and a key has none.
        """
        if on_miss == "raise" and not embeddings.hits.all():
            raise MissingEmbeddingsError(self.server, keys, embeddings)
        return embeddings

    def _outcomes(self, method: str, request: Any, raw: Sequence[bytes]) -> Plan[Outcomes]:
        batches = [raw[part] for part in (yield from self._split(raw))]
        replies = self._answers((yield [Call(method, request(keys=batch)) for batch in batches]))
        return merge_outcomes(self.server, [len(batch) for batch in batches], replies)

    def _split(self, raw: Sequence[bytes]) -> Plan[list[slice]]:
        if len(raw) > 1 and self._limits is None:
            # Counting a space's entries needs the store; look-ups must answer without it, so this may fail.
            [reply] = yield [_describe_call(None, share=0.5)]
            if not isinstance(reply, EmbArkError):
                self._learn(reply)
        return split(raw, self.limits)

    def _one_space(
        self, batches: Sequence[list[bytes]], replies: list[embark_pb2.LookupResponse], *, waits: bool
    ) -> Plan[list[embark_pb2.LookupResponse]]:
        """Ask batches that another space answered again, pinned; the space seen first is tried first."""
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
        try:
            description = description_of_wire(reply)
        except ValueError as error:
            raise BadReplyError(self.server, str(error)) from None
        self._forms[description.space] = description.form
        self._limits = Limits(description.max_keys_per_request or Limits().keys, description.form.nbytes)
        return description

    def _answers(self, replies: Sequence[Any]) -> list[Any]:
        for reply in replies:
            if isinstance(reply, InvalidRequestError):
                # It may be the limits that changed, or the active space: ask for them again.
                self._limits = None
                self._forms.pop("", None)
            if isinstance(reply, EmbArkError):
                raise reply
        return list(replies)


def _describe_call(space: str | None, share: float = 1.0) -> Call:
    return Call("DescribeSpace", embark_pb2.DescribeSpaceRequest(space=space or ""), share=share)


def _lookup_call(keys: Sequence[bytes], space: str | None, *, waits: bool) -> Call:
    return Call("Lookup", embark_pb2.LookupRequest(keys=keys, space=space or ""), waits=waits)
