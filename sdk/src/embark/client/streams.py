"""What lookup_stream and export of both clients share: the requests of a batch, and the results of replies."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from embark.client.batches import Keys, encode_keys, split
from embark.client.call_plans import CallPlanner
from embark.client.deadlines import OnMiss, to_duration
from embark.client.errors import BadReplyError
from embark.client.replies import check_rows, empty_embeddings, form_from_reply, merge_lookups
from embark.client.results import Embeddings, SpaceDescription
from embark.v1 import embark_pb2

# How many batches are requested ahead of the one that is awaited: the server reads while the caller trains.
MAX_BATCHES_AHEAD: Final = 4
# A part of an export is a page of the store, read at low priority.
EXPORT_PART_SECONDS: Final = 30.0

ExportPart = tuple[list[str], npt.NDArray[np.floating]]
"""Keys, and their embeddings, [number of keys, dimension] in the space's dtype."""


@dataclass(frozen=True, slots=True)
class PendingBatch:
    """A batch of a stream whose replies are awaited."""

    keys: list[bytes]
    counts: list[int]
    """The number of keys of each of its requests."""


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """The logic of one lookup_stream; every batch is pinned to the space of `description`."""

    planner: CallPlanner
    description: SpaceDescription
    on_miss: OnMiss
    wait: float

    def requests(self, keys: Keys) -> tuple[PendingBatch, list[embark_pb2.LookupStreamRequest]]:
        """Return a batch and the requests to send for it."""
        raw = encode_keys(keys)
        requests = []
        for part in split(raw, self.planner.limits):
            lookup = embark_pb2.LookupRequest(keys=raw[part], space=self.description.space)
            if self.wait:
                lookup.wait_budget.CopyFrom(to_duration(self.wait))
            requests.append(embark_pb2.LookupStreamRequest(lookup=lookup))
        return PendingBatch(raw, [len(request.lookup.keys) for request in requests]), requests

    def embeddings(self, batch: PendingBatch, replies: Sequence[embark_pb2.LookupStreamResponse | None]) -> Embeddings:
        """Return a batch's embeddings from the replies to its requests; a reply of None marks the end of the stream.

        Raises:
            BadReplyError: the stream ended early, or another space answered.
            MissingEmbeddingsError: on_miss is "raise", and a key has no embedding.
        """
        if not batch.counts:
            return empty_embeddings(self.description.form, self.description.space)
        lookups = []
        for reply in replies:
            if reply is None:
                raise BadReplyError(self.planner.server, "the stream ended before every batch was answered")
            if reply.lookup.space != self.description.space:
                raise BadReplyError(self.planner.server, f"the stream of {self.description.space} changed its space")
            lookups.append(reply.lookup)
        embeddings = merge_lookups(self.planner.server, batch.counts, lookups)
        return self.planner.checked(batch.keys, embeddings, self.on_miss)


def export_part(server: str, space: str, reply: embark_pb2.ExportResponse) -> ExportPart:
    """Return the keys and embeddings of one reply of an export of `space`.

    Raises:
        BadReplyError: the reply is of another space, or has a wrong number of vectors.
    """
    if reply.space != space:
        raise BadReplyError(server, f"the export of {space} sent vectors of {reply.space}")
    form = form_from_reply(server, reply)
    rows = check_rows(server, reply.vectors, len(reply.keys), form)
    keys = [key.decode() for key in reply.keys]
    return keys, np.frombuffer(rows, dtype=form.numpy).reshape(-1, form.dimension)
