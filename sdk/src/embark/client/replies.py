"""From the replies to the parts of one call to its one value; used by the plans and by streams."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from embark.client.embeddings import Embeddings, Neighbours, Outcomes
from embark.client.refusals import BadReplyError
from embark.rpc.wire import cause_of_wire, form_of_wire
from embark.space import VectorForm
from embark.statuses import KeyStatus, statuses_from_wire
from embark.v1 import embark_pb2

if TYPE_CHECKING:
    from embark.causes import Cause

_Reply = (
    embark_pb2.LookupResponse | embark_pb2.PrefetchResponse | embark_pb2.PutResponse | embark_pb2.InvalidateResponse
)


def merge_outcomes(server: str, counts: Sequence[int], replies: Sequence[_Reply]) -> Outcomes:
    """Return the outcomes of all parts; `counts` is the number of keys of each.

    Raises:
        BadReplyError: a part has another number of statuses, or a cause of no key.
    """
    statuses: list[KeyStatus] = []
    causes: dict[int, Cause] = {}
    for count, reply in zip(counts, replies, strict=True):
        first = len(statuses)
        statuses += statuses_from_wire(reply.statuses)
        if len(statuses) - first != count:
            raise BadReplyError(server, f"a reply has {len(statuses) - first} statuses for {count} keys")
        for index, message in reply.causes.items():
            if index >= count:
                raise BadReplyError(server, f"a reply to {count} keys has a cause for key {index}")
            causes[first + index] = cause_of_wire(message)
    return Outcomes(tuple(statuses), causes)


def merge_lookups(server: str, counts: Sequence[int], replies: Sequence[embark_pb2.LookupResponse]) -> Embeddings:
    """Return the embeddings of all parts, which are of one space; nothing is copied when there is one part.

    Raises:
        BadReplyError: a part is of another form, or has another number of rows or statuses than keys.
    """
    outcomes = merge_outcomes(server, counts, replies)
    form = form_of_reply(server, replies[0])
    parts = []
    for count, reply in zip(counts, replies, strict=True):
        if form_of_reply(server, reply) != form:
            raise BadReplyError(server, f"space {reply.space} is answered in two forms")
        parts.append(rows_of_reply(server, reply.vectors, count, form))
    buffer = parts[0] if len(parts) == 1 else b"".join(parts)
    vectors = np.frombuffer(buffer, dtype=form.numpy).reshape(-1, form.dimension)
    return Embeddings(vectors, outcomes.statuses, replies[0].space, outcomes.causes)


def form_of_reply(server: str, reply: embark_pb2.LookupResponse | embark_pb2.ExportResponse) -> VectorForm:
    """Return the form of a reply's vectors.

    Raises:
        BadReplyError: no dimension, or a dtype that this version does not know.
    """
    if not reply.dimension:
        raise BadReplyError(server, f"a reply of space {reply.space} has no dimension")
    try:
        return form_of_wire(reply.dimension, reply.dtype)
    except ValueError as error:
        raise BadReplyError(server, str(error)) from None


def rows_of_reply(server: str, vectors: bytes, count: int, form: VectorForm) -> bytes:
    """Return `vectors`.

    Raises:
        BadReplyError: it does not hold `count` rows.
    """
    if len(vectors) != count * form.nbytes:
        raise BadReplyError(server, f"a reply has {len(vectors)} bytes for {count} vectors of {form.nbytes}")
    return vectors


def neighbours_of_reply(server: str, reply: embark_pb2.SimilarResponse, k: int, *, of_key: bool) -> Neighbours:
    """Return the value of a reply to a search of `k` neighbours, of a key or of a vector.

    Raises:
        BadReplyError: more neighbours than were asked for, not a score for every key, or a key that is not UTF-8.
    """
    if len(reply.keys) != len(reply.scores) or len(reply.keys) > k:
        raise BadReplyError(server, f"a reply has {len(reply.keys)} keys and {len(reply.scores)} scores for k = {k}")
    try:
        keys = tuple(key.decode() for key in reply.keys)
    except UnicodeDecodeError as error:
        raise BadReplyError(server, f"a reply has a key that is not UTF-8: {error}") from None
    return Neighbours(
        keys,
        tuple(reply.scores),
        statuses_from_wire([reply.status])[0] if of_key else None,
        reply.space,
        cause_of_wire(reply.cause) if reply.HasField("cause") else None,
    )


def empty_embeddings(form: VectorForm, space: str) -> Embeddings:
    """Return the answer to no keys, of shape [0, dimension]."""
    return Embeddings(np.empty((0, form.dimension), dtype=form.numpy), (), space)
