"""EmbArkClient: look-ups from threads. AsyncEmbArkClient has the same surface for asyncio."""

import queue
import time
from collections import deque
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from embark.client.batches import Keys, Vector
from embark.client.embeddings import Embeddings, Neighbours, Outcomes
from embark.client.plans import Plans
from embark.client.rollouts import RolloutDescription
from embark.client.spaces import SpaceDescription
from embark.client.streams import AHEAD, EXPORT_PART_SECONDS, Asked, ExportPart, LookupStreaming, export_part
from embark.client.terms import DEFAULT_TIMEOUT, DEFAULT_WAIT, Monotonic, OnMiss, Terms, terms_of_lookup
from embark.client.thread_transport import ThreadTransport
from embark.rpc.links import ClientTls

if TYPE_CHECKING:
    from embark.v1 import embark_pb2


class EmbArkClient:
    """Looks up embeddings at `target` (host:port, or any gRPC target); safe to share between threads.

    `timeout` is the seconds that one method may take where it is not told otherwise, over all the requests it is split
    into, of which at most `max_inflight` are under way. Every method raises UnavailableError when the server does not
    answer in time, InvalidRequestError when it refuses, and ClosedError after close().

    `tls` is how the server is known and what is shown to it, without it calls are plain text; CertificateError: a file
    of it cannot be used. `tenant` is whose quota misses are taken off where clients have no certificates.
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
        self._plans = Plans(target)
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
        """Return a row for every key, all of one space: `space`, or else the active one.

        With on_miss "wait" the server may wait `wait` seconds for fills, on top of the client's timeout or within
        `timeout`; with "raise" a key without an embedding raises MissingEmbeddingsError.
        """
        terms = terms_of_lookup(self._seconds, self._timeout, timeout, on_miss, wait)
        return self._transport.run(self._plans.lookup(keys, space, on_miss), terms)

    def prefetch(self, keys: Keys, *, timeout: float | None = None) -> Outcomes:
        """Ask for the fill of the keys that have no row yet."""
        return self._transport.run(self._plans.prefetch(keys), self._terms(timeout))

    def invalidate(self, keys: Keys, *, timeout: float | None = None) -> Outcomes:
        """Delete the keys' rows and ask for new ones."""
        return self._transport.run(self._plans.invalidate(keys), self._terms(timeout))

    def put(
        self, space: str, keys: Keys, vectors: npt.NDArray[np.generic], *, timeout: float | None = None
    ) -> Outcomes:
        """Write embeddings of `space`, [number of keys, dimension], cast to the space's dtype; HIT: it is written."""
        return self._transport.run(self._plans.put(space, keys, vectors), self._terms(timeout))

    def similar(
        self,
        key_or_vector: str | bytes | Vector,
        k: int = 10,
        *,
        space: str | None = None,
        timeout: float | None = None,
    ) -> Neighbours:
        """Return the `k` nearest neighbours, in `space` or else the active one, of a key or of a vector [dimension].

        A key without an embedding is asked for as by lookup, and has none yet. A cache whose vectorSearch is off
        refuses.
        """
        return self._transport.run(self._plans.similar(key_or_vector, k, space), self._terms(timeout))

    def describe(self, space: str | None = None, *, timeout: float | None = None) -> SpaceDescription:
        """Return what `space`, or else the active one, is."""
        return self._transport.run(self._plans.describe(space), self._terms(timeout))

    def describe_rollout(self, space: str, *, timeout: float | None = None) -> RolloutDescription:
        """Return how far the re-embedding into `space` has come; the space need not be one that is served."""
        return self._transport.run(self._plans.describe_rollout(space), self._terms(timeout))

    def lookup_stream(
        self,
        batches: Iterable[Keys],
        *,
        space: str | None = None,
        on_miss: OnMiss = "oov",
        wait: float = DEFAULT_WAIT,
        timeout: float | None = None,
    ) -> Iterator[Embeddings]:
        """Yield the embeddings of every batch, in order, all of `space`, or else of the one active at the start.

        A few batches are asked for ahead; `batches` is read in the caller's thread. `timeout` is for each answer.
        """
        terms = terms_of_lookup(self._seconds, self._timeout, timeout, on_miss, wait)
        streaming = LookupStreaming(self._plans, self.describe(space), on_miss, terms.wait_left())
        feed: queue.SimpleQueue[embark_pb2.LookupStreamRequest | None] = queue.SimpleQueue()
        stream = self._transport.lookup_stream(iter(feed.get, None))
        asked: deque[Asked] = deque()

        def receive() -> Embeddings:
            batch = asked.popleft()
            return streaming.embeddings(batch, [self._transport.read(stream, terms.timeout) for _ in batch.counts])

        try:
            for keys in batches:
                batch, requests = streaming.requests(keys)
                asked.append(batch)
                for request in requests:
                    feed.put(request)
                if len(asked) > AHEAD:
                    yield receive()
            while asked:
                yield receive()
        finally:
            feed.put(None)
            stream.cancel()

    def export(self, space: str | None = None, *, timeout: float = EXPORT_PART_SECONDS) -> Iterator[ExportPart]:
        """Yield every embedding of `space`, or else of the active one, in parts and in no order, without negatives.

        `timeout` is for each part.
        """
        pinned = self.describe(space, timeout=timeout).space
        stream = self._transport.export(pinned)
        try:
            while (reply := self._transport.read(stream, timeout)) is not None:
                yield export_part(self._plans.server, pinned, reply)
        finally:
            stream.cancel()

    def close(self) -> None:
        """Close the connections; calls under way fail, calling twice is harmless."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _terms(self, timeout: float | None) -> Terms:
        return Terms(self._seconds, self._timeout if timeout is None else timeout)
