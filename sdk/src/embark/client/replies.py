"""From the replies to the requests of one method call to its result."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from embark.client.errors import BadReplyError
from embark.client.results import Embeddings, Neighbours, Outcomes, RolloutDescription, SpaceDescription
from embark.rpc.wire import cause_from_wire, form_from_wire
from embark.space import VectorForm
from embark.statuses import KeyStatus, statuses_from_wire
from embark.v1 import embark_pb2

if TYPE_CHECKING:
    from embark.causes import Cause

_Reply = (
    embark_pb2.LookupResponse | embark_pb2.PrefetchResponse | embark_pb2.PutResponse | embark_pb2.InvalidateResponse
)


def merge_outcomes(server: str, counts: Sequence[int], replies: Sequence[_Reply]) -> Outcomes:
    """Return the outcomes of all requests; `counts` is the number of keys of each.

    Raises:
        BadReplyError: a reply has a wrong number of statuses, or a cause for a key that was not requested.
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
            causes[first + index] = cause_from_wire(message)
    return Outcomes(tuple(statuses), causes)


def merge_lookups(server: str, counts: Sequence[int], replies: Sequence[embark_pb2.LookupResponse]) -> Embeddings:
    """Return the embeddings of all requests, which are of one space; a single reply is not copied.

    Raises:
        BadReplyError: the replies differ in form, or one has a wrong number of rows or statuses.
    """
    outcomes = merge_outcomes(server, counts, replies)
    form = form_from_reply(server, replies[0])
    parts = []
    for count, reply in zip(counts, replies, strict=True):
        if form_from_reply(server, reply) != form:
            raise BadReplyError(server, f"space {reply.space} is answered with different dimensions or dtypes")
        parts.append(check_rows(server, reply.vectors, count, form))
    buffer = parts[0] if len(parts) == 1 else b"".join(parts)
    vectors = np.frombuffer(buffer, dtype=form.numpy).reshape(-1, form.dimension)
    return Embeddings(vectors, outcomes.statuses, replies[0].space, outcomes.causes)


def form_from_reply(server: str, reply: embark_pb2.LookupResponse | embark_pb2.ExportResponse) -> VectorForm:
    """Return the form of a reply's vectors.

    Raises:
        BadReplyError: the dimension is missing, or this version does not know the dtype.
    """
    if not reply.dimension:
        raise BadReplyError(server, f"a reply of space {reply.space} has no dimension")
    try:
        return form_from_wire(reply.dimension, reply.dtype)
    except ValueError as error:
        raise BadReplyError(server, str(error)) from None


def check_rows(server: str, vectors: bytes, count: int, form: VectorForm) -> bytes:
    """Return `vectors`, which must hold `count` rows.

    Raises:
        BadReplyError: they do not.
    """
    if len(vectors) != count * form.nbytes:
        raise BadReplyError(server, f"a reply has {len(vectors)} bytes for {count} vectors of {form.nbytes}")
    return vectors


def neighbours_from_reply(server: str, reply: embark_pb2.SimilarResponse, k: int, *, is_key: bool) -> Neighbours:
    """Return the result of a search for `k` neighbours of a key or of a vector.

    Raises:
        BadReplyError: more than `k` neighbours, not one score per key, or a key that is not UTF-8.
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
        statuses_from_wire([reply.status])[0] if is_key else None,
        reply.space,
        cause_from_wire(reply.cause) if reply.HasField("cause") else None,
    )


def empty_embeddings(form: VectorForm, space: str) -> Embeddings:
    """Return the result of a lookup of no keys, with vectors of shape [0, dimension]."""
    return Embeddings(np.empty((0, form.dimension), dtype=form.numpy), (), space)


def space_from_reply(server: str, reply: embark_pb2.DescribeSpaceResponse) -> SpaceDescription:
    """Return the description of a space.

    Raises:
        BadReplyError: this version does not know the dtype, or the OOV embedding has another dimension.
    """
    try:
        form = form_from_wire(reply.dimension, reply.dtype)
    except ValueError as error:
        raise BadReplyError(server, str(error)) from None
    if len(reply.oov_vector) != form.nbytes:
        size = len(reply.oov_vector)
        raise BadReplyError(server, f"the OOV embedding has {size} bytes, the space's vectors have {form.nbytes}")
    return SpaceDescription(
        space=reply.space,
        form=form,
        modality=reply.modality,
        preprocessing=reply.preprocessing,
        role=reply.role,
        normalization=reply.normalization,
        model_digest=reply.model_digest,
        output_tensor=reply.output_tensor,
        oov_vector=np.frombuffer(reply.oov_vector, dtype=form.numpy),
        entries=reply.entries,
        max_keys_per_request=reply.max_keys_per_request,
    )


def rollout_from_reply(server: str, reply: embark_pb2.DescribeRolloutResponse) -> RolloutDescription:
    """Return the progress of a re-embedding.

    Raises:
        BadReplyError: more ranges are finished than have begun.
    """
    if reply.ranges_over > reply.ranges_begun:
        raise BadReplyError(server, f"{reply.ranges_over} ranges are finished, but {reply.ranges_begun} have begun")
    return RolloutDescription(reply.ranges_begun, reply.ranges_over, reply.done, reply.failed)
