"""AsyncEmbArkClient: look-ups from asyncio. EmbArkClient has the same surface for threads."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from embark.client.aio_transport import AioTransport
from embark.client.batches import Keys, Vector
from embark.client.embeddings import Embeddings, Neighbours, Outcomes
from embark.client.plans import Plans
from embark.client.rollouts import RolloutDescription
from embark.client.spaces import SpaceDescription
from embark.client.streams import AHEAD, EXPORT_PART_SECONDS, Asked, ExportPart, LookupStreaming, export_part
from embark.client.terms import DEFAULT_TIMEOUT, DEFAULT_WAIT, Monotonic, OnMiss, Terms, terms_of_lookup
from embark.rpc.links import ClientTls
from embark.v1 import embark_pb2


class AsyncEmbArkClient:
    """EmbArkClient for asyncio: made inside a running loop, used and closed in that loop alone."""

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
        self._transport = AioTransport(target, max_inflight, tenant, tls, seconds)

    async def lookup(
        self,
        keys: Keys,
        *,
        space: str | None = None,
        on_miss: OnMiss = "oov",
        wait: float = DEFAULT_WAIT,
        timeout: float | None = None,  # noqa: ASYNC109 - it bounds the server too, and is one surface with EmbArkClient
    ) -> Embeddings:
        """Do as EmbArkClient.lookup."""
        terms = terms_of_lookup(self._seconds, self._timeout, timeout, on_miss, wait)
        return await self._transport.run(self._plans.lookup(keys, space, on_miss), terms)

    async def prefetch(self, keys: Keys, *, timeout: float | None = None) -> Outcomes:  # noqa: ASYNC109
        """Do as EmbArkClient.prefetch."""
        return await self._transport.run(self._plans.prefetch(keys), self._terms(timeout))

    async def invalidate(self, keys: Keys, *, timeout: float | None = None) -> Outcomes:  # noqa: ASYNC109
        """Do as EmbArkClient.invalidate."""
        return await self._transport.run(self._plans.invalidate(keys), self._terms(timeout))

    async def put(
        self,
        space: str,
        keys: Keys,
        vectors: npt.NDArray[np.generic],
        *,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> Outcomes:
        """Do as EmbArkClient.put."""
        return await self._transport.run(self._plans.put(space, keys, vectors), self._terms(timeout))

    async def similar(
        self,
        key_or_vector: str | bytes | Vector,
        k: int = 10,
        *,
        space: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> Neighbours:
        """Do as EmbArkClient.similar."""
        return await self._transport.run(self._plans.similar(key_or_vector, k, space), self._terms(timeout))

    async def describe(self, space: str | None = None, *, timeout: float | None = None) -> SpaceDescription:  # noqa: ASYNC109
        """Do as EmbArkClient.describe."""
        return await self._transport.run(self._plans.describe(space), self._terms(timeout))

    async def describe_rollout(self, space: str, *, timeout: float | None = None) -> RolloutDescription:  # noqa: ASYNC109
        """Do as EmbArkClient.describe_rollout."""
        return await self._transport.run(self._plans.describe_rollout(space), self._terms(timeout))

    async def lookup_stream(
        self,
        batches: Iterable[Keys] | AsyncIterable[Keys],
        *,
        space: str | None = None,
        on_miss: OnMiss = "oov",
        wait: float = DEFAULT_WAIT,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> AsyncIterator[Embeddings]:
        """Do as EmbArkClient.lookup_stream; the batches may come from asyncio too."""
        terms = terms_of_lookup(self._seconds, self._timeout, timeout, on_miss, wait)
        streaming = LookupStreaming(self._plans, await self.describe(space), on_miss, terms.wait_left())
        feed: asyncio.Queue[embark_pb2.LookupStreamRequest | None] = asyncio.Queue()
        stream = self._transport.lookup_stream(_until_none(feed))
        asked: deque[Asked] = deque()

        async def receive() -> Embeddings:
            batch = asked.popleft()
            replies = [await self._transport.read(stream, terms.timeout) for _ in batch.counts]
            return streaming.embeddings(batch, replies)

        try:
            async for keys in _each(batches):
                batch, requests = streaming.requests(keys)
                asked.append(batch)
                for request in requests:
                    feed.put_nowait(request)
                if len(asked) > AHEAD:
                    yield await receive()
            while asked:
                yield await receive()
        finally:
            feed.put_nowait(None)
            stream.cancel()

    async def export(
        self,
        space: str | None = None,
        *,
        timeout: float = EXPORT_PART_SECONDS,  # noqa: ASYNC109
    ) -> AsyncIterator[ExportPart]:
        """Do as EmbArkClient.export."""
        pinned = (await self.describe(space, timeout=timeout)).space
        stream = self._transport.export(pinned)
        try:
            while (reply := await self._transport.read(stream, timeout)) is not None:
                yield export_part(self._plans.server, pinned, reply)
        finally:
            stream.cancel()

    async def close(self) -> None:
        """Close the connections; calls under way fail, calling twice is harmless."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _terms(self, timeout: float | None) -> Terms:
        return Terms(self._seconds, self._timeout if timeout is None else timeout)


async def _until_none(
    feed: "asyncio.Queue[embark_pb2.LookupStreamRequest | None]",
) -> AsyncIterator[embark_pb2.LookupStreamRequest]:
    while (request := await feed.get()) is not None:
        yield request


async def _each(batches: Iterable[Keys] | AsyncIterable[Keys]) -> AsyncIterator[Keys]:
    if isinstance(batches, AsyncIterable):
        async for keys in batches:
            yield keys
    else:
        for keys in batches:
            yield keys
