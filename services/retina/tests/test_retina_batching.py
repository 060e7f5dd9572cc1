"""How items of many calls share the runners; the encoder is one that the tests can hold up."""

import asyncio

import pytest

from embark_testing.retina.held_encoder import DELAY, HeldEncoder, batcher_of, items, started, vector
from retina.model_encoder import Encoded

pytestmark = pytest.mark.asyncio


async def test_outcomes_come_in_the_order_of_the_items() -> None:
    async with batcher_of(HeldEncoder(), runners=3) as batcher:
        outcomes = await batcher.encode(items(*range(100, 200)))
    assert outcomes == [Encoded(vector(n), str(n).encode()) for n in range(100, 200)]


async def test_an_idle_runner_never_waits_for_others() -> None:
    async with batcher_of(HeldEncoder()) as batcher:  # whose clock stands still, so the delay never passes
        assert await asyncio.wait_for(batcher.encode(items(1)), 10) == [Encoded(vector(1), b"1")]


async def test_items_of_many_calls_that_come_while_every_runner_is_busy_run_together() -> None:
    encoder = HeldEncoder()
    async with batcher_of(encoder) as batcher:
        encoder.run_gate.clear()
        calls = [asyncio.create_task(batcher.encode(items(0)))]
        await started(encoder)
        calls += [asyncio.create_task(batcher.encode(items(n))) for n in range(1, 9)]
        await asyncio.sleep(0)
        encoder.run_gate.set()
        await asyncio.gather(*calls)
    assert encoder.batches == [[0.0], [float(n) for n in range(1, 9)]]


async def test_a_batch_is_split_into_the_sizes_that_keep_bits() -> None:
    encoder = HeldEncoder()
    async with batcher_of(encoder) as batcher:
        await batcher.encode(items(*range(7)))
    assert [len(batch) for batch in encoder.batches] == [4, 2, 1]


async def test_no_run_has_more_than_the_largest_size() -> None:
    encoder = HeldEncoder()
    async with batcher_of(encoder) as batcher:
        await batcher.encode(items(*range(40)))
    assert max(len(batch) for batch in encoder.batches) == 16


async def test_one_call_is_spread_over_all_runners() -> None:
    encoder = HeldEncoder()
    async with batcher_of(encoder, runners=2) as batcher:
        encoder.run_gate.clear()
        call = asyncio.create_task(batcher.encode(items(*range(8))))
        await started(encoder)
        await started(encoder)  # both are inside a run: neither took it all
        encoder.run_gate.set()
        await call
    assert len(encoder.batches[0]) == 4


async def test_a_runner_takes_what_came_while_it_prepared() -> None:
    encoder = HeldEncoder()
    async with batcher_of(encoder) as batcher:
        encoder.prepare_gate.clear()
        first = asyncio.create_task(batcher.encode(items(0)))
        assert await asyncio.to_thread(encoder.preparing.acquire, timeout=10)
        others = asyncio.create_task(batcher.encode(items(1, 2, 3)))
        await asyncio.sleep(0)
        encoder.prepare_gate.set()
        await asyncio.gather(first, others)
    assert encoder.batches == [[0.0, 1.0, 2.0, 3.0]]


async def test_an_item_waits_for_others_no_longer_than_the_delay() -> None:
    encoder, now = HeldEncoder(), [0.0]
    async with batcher_of(encoder, now=now) as batcher:
        encoder.prepare_gate.clear()
        first = asyncio.create_task(batcher.encode(items(0)))
        assert await asyncio.to_thread(encoder.preparing.acquire, timeout=10)
        others = asyncio.create_task(batcher.encode(items(1, 2, 3)))
        await asyncio.sleep(0)
        now[0] = DELAY.total_seconds()
        encoder.prepare_gate.set()
        await asyncio.gather(first, others)
    assert encoder.batches[0] == [0.0]
