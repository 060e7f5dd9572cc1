"""EmbArkClient, the blocking client."""

import queue
import time
from collections import deque
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from embark.client.batches import Keys, Vector
from embark.client.call_plans import CallPlanner
from embark.client.deadlines import (
    DEFAULT_TIMEOUT,
    DEFAULT_WAIT,
    CallDeadline,
    Monotonic,
    OnMiss,
    build_lookup_deadline,
)
from embark.client.results import Embeddings, Neighbours, Outcomes, RolloutDescription, SpaceDescription
from embark.client.streams import (
    EXPORT_PART_SECONDS,
    MAX_BATCHES_AHEAD,
    ExportPart,
    PendingBatch,
    StreamPlan,
    export_part,
)
from embark.client.thread_transport import ThreadTransport
from embark.rpc.links import ClientTls

if TYPE_CHECKING:
    from embark.v1 import embark_pb2


class EmbArkClient:
    """Looks up embeddings; safe to share between threads.

    A method splits its keys into as many requests as the server's limits need, and keeps at most `max_inflight` of them
    in flight.

    Args:
        target: Address of the server: host:port, or any gRPC target.
        timeout: Default timeout of a method in seconds, over all its requests.
        max_inflight: Maximum number of requests of one method in flight.
        tenant: Tenant whose quota is charged for misses; not needed with a client certificate.
        tls: How to verify the server, and the client's own certificate; None: plain text.
        seconds: Monotonic clock.

    Raises:
        CertificateError: a file of `tls` cannot be used.

    Every method raises UnavailableError if the server does not answer in time, InvalidRequestError if the request is
    not valid, BadReplyError if the reply contradicts the request, and ClosedError after close().
    """

    def __init__(
        self,
        target: str,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        max_inflight: int = 4,
        tenant: str = "",
        tls: ClientTls | None = None,
        seconds: Monotonic = time.monotonic,
    ) -> None:
        self._timeout = timeout
        self._seconds = seconds
        self._planner = CallPlanner(target)
        self._transport = ThreadTransport(target, max_inflight, tenant, tls, seconds)

    def lookup(
        self,
        keys: Keys,
        *,
        space: str | None = None,
        on_miss: OnMiss = "oov",
        wait: float = DEFAULT_WAIT,
        timeout: float | None = None,
    ) -> Embeddings:
        """Look up the embeddings of `keys`, all of one space.

        Args:
            keys: The keys; str is sent as UTF-8.
            space: The id of the space to read; None: the active space.
            on_miss: How to treat keys without an embedding: "oov" returns the OOV embedding at once, "wait" lets the
                server wait for their fills, "raise" raises MissingEmbeddingsError.
            wait: Seconds that the server may wait, if `on_miss` is "wait".
            timeout: Timeout in seconds that includes the waiting; None: the client's timeout, plus `wait`.

        Returns:
            One row per key, in the order of `keys`.

        Raises:
            MissingEmbeddingsError: `on_miss` is "raise", and a key has no embedding.
            MixedSpacesError: the active space changed during the lookup; retry.
            TypeError: `keys` is not a sequence of str or bytes.
            ValueError: `on_miss` is unknown, or a time is negative.
        """
        deadline = build_lookup_deadline(self._seconds, self._timeout, timeout, on_miss, wait)
        return self._transport.run(self._planner.lookup(keys, space, on_miss), deadline)

    def prefetch(self, keys: Keys, *, timeout: float | None = None) -> Outcomes:
        """Request the fills of the keys that have no embedding; `timeout` is in seconds.

        Returns:
            HIT for a key with an embedding, OOV_ENQUEUED or OOV_PENDING for a key whose fill is requested.
        """
        return self._transport.run(self._planner.prefetch(keys), self._deadline(timeout))

    def invalidate(self, keys: Keys, *, timeout: float | None = None) -> Outcomes:
        """Delete the embeddings of `keys` and request their fills; `timeout` is in seconds.

        Returns:
            OOV_ENQUEUED for every key that was deleted and whose fill is requested.
        """
        return self._transport.run(self._planner.invalidate(keys), self._deadline(timeout))

    def put(
        self, space: str, keys: Keys, vectors: npt.NDArray[np.generic], *, timeout: float | None = None
    ) -> Outcomes:
        """Write embeddings that the caller has computed.

        Args:
            space: The id of the space that the embeddings are of.
            keys: The keys.
            vectors: Their embeddings, [number of keys, dimension] of real numbers, cast to the space's dtype.
            timeout: Timeout in seconds; None: the client's timeout.

        Returns:
            HIT for every key that was written.

        Raises:
            InvalidRequestError: the shape is wrong, or a number is not finite in the space's dtype.
        """
        return self._transport.run(self._planner.put(space, keys, vectors), self._deadline(timeout))

    def similar(
        self,
        key_or_vector: str | bytes | Vector,
        k: int = 10,
        *,
        space: str | None = None,
        timeout: float | None = None,
    ) -> Neighbours:
        """Find the keys whose embeddings are nearest to the embedding of a key, or to a vector.

        Args:
            key_or_vector: A key, or a vector of [dimension] real numbers. A key without an embedding has no neighbours;
                its fill is requested, as by lookup().
            k: How many neighbours to find.
            space: The id of the space to search; None: the active space.
            timeout: Timeout in seconds; None: the client's timeout.

        Raises:
            InvalidRequestError: the cache's vectorSearch is off, `k` exceeds the server's limit, or the vector does not
                fit the space.
        """
        return self._transport.run(self._planner.similar(key_or_vector, k, space), self._deadline(timeout))

    def describe(self, space: str | None = None, *, timeout: float | None = None) -> SpaceDescription:
        """Return the description of `space`, or of the active space; `timeout` is in seconds."""
        return self._transport.run(self._planner.describe(space), self._deadline(timeout))

    def describe_rollout(self, space: str, *, timeout: float | None = None) -> RolloutDescription:
        """Return the progress of the re-embedding into `space`, served or not; `timeout` is in seconds."""
        return self._transport.run(self._planner.describe_rollout(space), self._deadline(timeout))

    def lookup_stream(
        self,
        batches: Iterable[Keys],
        *,
        space: str | None = None,
        on_miss: OnMiss = "oov",
        wait: float = DEFAULT_WAIT,
        timeout: float | None = None,
    ) -> Iterator[Embeddings]:
        """Look up batch after batch, all in one space: `space`, or the one that is active at the start.

        Up to 4 batches are requested ahead; `batches` is read in the caller's thread. Leaving the iterator cancels the
        call. `on_miss` and `wait` are as for lookup(); `timeout` is in seconds for each batch.

        Yields:
            The embeddings of each batch, in order.
        """
        deadline = build_lookup_deadline(self._seconds, self._timeout, timeout, on_miss, wait)
        plan = StreamPlan(self._planner, self.describe(space), on_miss, deadline.wait_left())
        feed: queue.SimpleQueue[embark_pb2.LookupStreamRequest | None] = queue.SimpleQueue()
        stream = self._transport.lookup_stream(iter(feed.get, None))
        pending: deque[PendingBatch] = deque()

        def receive() -> Embeddings:
            batch = pending.popleft()
            return plan.embeddings(batch, [self._transport.read(stream, deadline.timeout) for _ in batch.counts])

        try:
            for keys in batches:
                batch, requests = plan.requests(keys)
                pending.append(batch)
                for request in requests:
                    feed.put(request)
                if len(pending) > MAX_BATCHES_AHEAD:
                    yield receive()
            while pending:
                yield receive()
        finally:
            feed.put(None)
            stream.cancel()

    def export(self, space: str | None = None, *, timeout: float = EXPORT_PART_SECONDS) -> Iterator[ExportPart]:
        """Export every embedding of `space`, or of the active space; `timeout` is in seconds for each part.

        Yields:
            Keys and their embeddings, [number of keys, dimension] in the space's dtype, in no particular order. Keys
            without an embedding are left out.
        """
        pinned = self.describe(space, timeout=timeout).space
        stream = self._transport.export(pinned)
        try:
            while (reply := self._transport.read(stream, timeout)) is not None:
                yield export_part(self._planner.server, pinned, reply)
        finally:
            stream.cancel()

    def close(self) -> None:
        """Close the connections; calls in flight fail; calling it twice is harmless."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _deadline(self, timeout: float | None) -> CallDeadline:
        return CallDeadline(self._seconds, self._timeout if timeout is None else timeout)
