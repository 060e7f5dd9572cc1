"""The parts that both clients' lookup_stream and export share: requests of a batch, and values of replies."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from embark.client.batches import Keys, encode_keys, split
from embark.client.embeddings import Embeddings
from embark.client.plans import Plans
from embark.client.refusals import BadReplyError
from embark.client.replies import empty_embeddings, form_of_reply, merge_lookups, rows_of_reply
from embark.client.spaces import SpaceDescription
from embark.client.terms import OnMiss, duration_of
from embark.v1 import embark_pb2

# Batches that are asked for ahead of the one that is awaited: the server reads while the caller trains.
AHEAD: Final = 4
# A part of an export is a page read from the store, which is never in a hurry.
EXPORT_PART_SECONDS: Final = 30.0

ExportPart = tuple[list[str], npt.NDArray[np.floating]]
"""Keys, and their embeddings [number of keys, dimension]."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One batch of a stream on its way: its keys, and the number of keys of each request it went out in."""

    keys: list[bytes]
    counts: list[int]


@dataclass(frozen=True, slots=True)
class LookupStreaming:
    """One lookup_stream: every batch is pinned to the space of `description`, so that an epoch is of one space."""

    plans: Plans
    description: SpaceDescription
    on_miss: OnMiss
    wait: float

    def requests(self, keys: Keys) -> tuple[Asked, list[embark_pb2.LookupStreamRequest]]:
        """Return a batch and the requests to send for it."""
        raw = encode_keys(keys)
        requests = []
        for part in split(raw, self.plans.limits):
            lookup = embark_pb2.LookupRequest(keys=raw[part], space=self.description.space)
            if self.wait:
                lookup.wait_budget.CopyFrom(duration_of(self.wait))
            requests.append(embark_pb2.LookupStreamRequest(lookup=lookup))
        return Asked(raw, [len(request.lookup.keys) for request in requests]), requests

    def embeddings(self, asked: Asked, replies: Sequence[embark_pb2.LookupStreamResponse | None]) -> Embeddings:
        """Return a batch's embeddings from the replies to its requests; None: the stream ended before.

        Raises:
            BadReplyError: the stream ended early, or another space answered.
            MissingEmbeddingsError: on_miss is "raise", and a key has none.
        """
        if not asked.counts:
            return empty_embeddings(self.description.form, self.description.space)
        lookups = []
        for reply in replies:
            if reply is None:
                raise BadReplyError(self.plans.server, "the stream ended before every batch was answered")
            if reply.lookup.space != self.description.space:
                raise BadReplyError(self.plans.server, f"the stream of {self.description.space} changed its space")
            lookups.append(reply.lookup)
        embeddings = merge_lookups(self.plans.server, asked.counts, lookups)
        return self.plans.checked(asked.keys, embeddings, self.on_miss)


def export_part(server: str, space: str, reply: embark_pb2.ExportResponse) -> ExportPart:
    """Return the keys and embeddings of one reply of an export of `space`.

    Raises:
        BadReplyError: another space, or not a vector for every key.
    """
    if reply.space != space:
        raise BadReplyError(server, f"the export of {space} sent vectors of {reply.space}")
    form = form_of_reply(server, reply)
    rows = rows_of_reply(server, reply.vectors, len(reply.keys), form)
    keys = [key.decode() for key in reply.keys]
    return keys, np.frombuffer(rows, dtype=form.numpy).reshape(-1, form.dimension)
