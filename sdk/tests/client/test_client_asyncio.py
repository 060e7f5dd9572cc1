import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest

from embark.client import AsyncEmbArkClient
from embark.errors import ClosedError
from embark_testing.embark.dict_embark import DictEmbArk, Gate
from embark_testing.eventually import eventually_async


@pytest.mark.asyncio
async def test_one_asyncio_client_runs_many_lookups_at_once(server: DictEmbArk, target: str) -> None:
    gate = Gate()
    server.hook = lambda method, _request, _context: gate.enter() if method == "Lookup" else None
    async with AsyncEmbArkClient(target, timeout=30) as client:
        tasks = [asyncio.create_task(client.lookup([f"k{i}"])) for i in range(10)]

        async def all_inside() -> bool:
            return gate.inside == 10

        try:
            await eventually_async(all_inside, what="ten lookups at the server")
        finally:
            gate.open()
        found = await asyncio.gather(*tasks)
    vectors = server.spaces["a"].vectors
    assert [one.vectors.tobytes() for one in found] == [vectors[f"k{i}".encode()] for i in range(10)]


@pytest.mark.asyncio
async def test_cancelling_a_lookup_cancels_its_requests(server: DictEmbArk, target: str) -> None:
    gate = Gate()
    cancelled: list[bool] = []

    def hold(method: str, request: object, context: grpc.ServicerContext) -> None:
        del method, request
        context.add_callback(lambda: cancelled.append(True))
        gate.enter()

    server.hook = hold
    async with AsyncEmbArkClient(target, timeout=30) as client:
        task = asyncio.create_task(client.lookup(["k0"]))

        async def inside() -> int:
            return gate.inside

        async def was_cancelled() -> bool:
            return bool(cancelled)

        try:
            await eventually_async(inside, what="the lookup at the server")
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await eventually_async(was_cancelled, what="the server sees the cancellation")
        finally:
            gate.open()
    assert cancelled == [True]


@pytest.mark.asyncio
@pytest.mark.parametrize("count", [1, 9])
async def test_closing_the_client_fails_a_lookup_without_cancelling_its_task(
    server: DictEmbArk, target: str, count: int
) -> None:
    gate = Gate()
    client = AsyncEmbArkClient(target, timeout=30)
    await client.describe()
    server.hook = lambda *_: gate.enter()
    task = asyncio.create_task(client.lookup([f"k{i}" for i in range(count)]))

    async def inside() -> int:
        return gate.inside

    try:
        await eventually_async(inside, what="the lookup at the server")
        await client.close()
        with pytest.raises(ClosedError):
            await task
    finally:
        gate.open()
    with pytest.raises(ClosedError):
        await client.lookup(["k0"])


@pytest.mark.asyncio
async def test_batches_of_a_stream_may_come_from_asyncio(server: DictEmbArk, target: str) -> None:
    async with AsyncEmbArkClient(target, timeout=30) as client:

        async def batches() -> AsyncIterator[list[str]]:
            for i in range(3):
                yield [f"k{i}"]

        found = [batch.vectors.tobytes() async for batch in client.lookup_stream(batches())]
    assert found == [server.spaces["a"].vectors[f"k{i}".encode()] for i in range(3)]
