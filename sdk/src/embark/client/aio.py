"""AsyncEmbArkClient, the asyncio client."""

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
from embark.rpc.links import ClientTls
from embark.v1 import embark_pb2


class AsyncEmbArkClient:
    """EmbArkClient for asyncio: create it inside a running loop; use and close it only in that loop."""

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
        self._transport = AioTransport(target, max_inflight, tenant, tls, seconds)

    async def lookup(
        self,
        keys: Keys,
        *,
        space: str | None = None,
        on_miss: OnMiss = "oov",
        wait: float = DEFAULT_WAIT,
        timeout: float | None = None,  # noqa: ASYNC109 - also sent to the server, and the same signature as EmbArkClient.lookup
    ) -> Embeddings:
        """See EmbArkClient.lookup."""
        deadline = build_lookup_deadline(self._seconds, self._timeout, timeout, on_miss, wait)
        return await self._transport.run(self._planner.lookup(keys, space, on_miss), deadline)

    async def prefetch(self, keys: Keys, *, timeout: float | None = None) -> Outcomes:  # noqa: ASYNC109
        """See EmbArkClient.prefetch."""
        return await self._transport.run(self._planner.prefetch(keys), self._deadline(timeout))

    async def invalidate(self, keys: Keys, *, timeout: float | None = None) -> Outcomes:  # noqa: ASYNC109
        """See EmbArkClient.invalidate."""
        return await self._transport.run(self._planner.invalidate(keys), self._deadline(timeout))

    async def put(
        self,
        space: str,
        keys: Keys,
        vectors: npt.NDArray[np.generic],
        *,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> Outcomes:
        """See EmbArkClient.put."""
        return await self._transport.run(self._planner.put(space, keys, vectors), self._deadline(timeout))

    async def similar(
        self,
        key_or_vector: str | bytes | Vector,
        k: int = 10,
        *,
        space: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> Neighbours:
        """See EmbArkClient.similar."""
        return await self._transport.run(self._planner.similar(key_or_vector, k, space), self._deadline(timeout))

    async def describe(self, space: str | None = None, *, timeout: float | None = None) -> SpaceDescription:  # noqa: ASYNC109
        """See EmbArkClient.describe."""
        return await self._transport.run(self._planner.describe(space), self._deadline(timeout))

    async def describe_rollout(self, space: str, *, timeout: float | None = None) -> RolloutDescription:  # noqa: ASYNC109
        """See EmbArkClient.describe_rollout."""
        return await self._transport.run(self._planner.describe_rollout(space), self._deadline(timeout))

    async def lookup_stream(
        self,
        batches: Iterable[Keys] | AsyncIterable[Keys],
        *,
        space: str | None = None,
        on_miss: OnMiss = "oov",
        wait: float = DEFAULT_WAIT,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> AsyncIterator[Embeddings]:
        """See EmbArkClient.lookup_stream; `batches` may also be an async iterable."""
        deadline = build_lookup_deadline(self._seconds, self._timeout, timeout, on_miss, wait)
        plan = StreamPlan(self._planner, await self.describe(space), on_miss, deadline.wait_left())
        feed: asyncio.Queue[embark_pb2.LookupStreamRequest | None] = asyncio.Queue()
        stream = self._transport.lookup_stream(_until_none(feed))
        pending: deque[PendingBatch] = deque()

        async def receive() -> Embeddings:
            batch = pending.popleft()
            replies = [await self._transport.read(stream, deadline.timeout) for _ in batch.counts]
            return plan.embeddings(batch, replies)

        try:
            async for keys in _each(batches):
                batch, requests = plan.requests(keys)
                pending.append(batch)
                for request in requests:
                    feed.put_nowait(request)
                if len(pending) > MAX_BATCHES_AHEAD:
                    yield await receive()
            while pending:
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
        """See EmbArkClient.export."""
        pinned = (await self.describe(space, timeout=timeout)).space
        stream = self._transport.export(pinned)
        try:
            while (reply := await self._transport.read(stream, timeout)) is not None:
                yield export_part(self._planner.server, pinned, reply)
        finally:
            stream.cancel()

    async def close(self) -> None:
        """Close the connections; calls in flight fail; calling it twice is harmless."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _deadline(self, timeout: float | None) -> CallDeadline:
        return CallDeadline(self._seconds, self._timeout if timeout is None else timeout)


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
