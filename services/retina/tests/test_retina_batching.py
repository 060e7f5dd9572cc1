"""How the items of concurrent calls share the runners, on an encoder that tests can block."""

import asyncio

import pytest

from embark_testing.retina.held_encoder import DELAY, HeldEncoder, items, open_batcher, started, vector
from retina.model_encoder import Encoded

pytestmark = pytest.mark.asyncio


async def test_outcomes_are_in_the_order_of_the_items() -> None:
    async with open_batcher(HeldEncoder(), runners=3) as batcher:
        outcomes = await batcher.encode(items(*range(100, 200)))
    assert outcomes == [Encoded(vector(n), str(n).encode()) for n in range(100, 200)]


async def test_an_idle_runner_never_waits_for_more_items() -> None:
    async with open_batcher(HeldEncoder()) as batcher:  # its clock stands still, so the delay never passes
        assert await asyncio.wait_for(batcher.encode(items(1)), 10) == [Encoded(vector(1), b"1")]


async def test_items_that_arrive_while_every_runner_is_busy_run_together() -> None:
    encoder = HeldEncoder()
    async with open_batcher(encoder) as batcher:
        encoder.run_gate.clear()
        calls = [asyncio.create_task(batcher.encode(items(0)))]
        await started(encoder)
        calls += [asyncio.create_task(batcher.encode(items(n))) for n in range(1, 9)]
        await asyncio.sleep(0)
        encoder.run_gate.set()
        await asyncio.gather(*calls)
    assert encoder.batches == [[0.0], [float(n) for n in range(1, 9)]]


async def test_a_batch_is_split_into_allowed_sizes() -> None:
    encoder = HeldEncoder()
    async with open_batcher(encoder) as batcher:
        await batcher.encode(items(*range(7)))
    assert [len(batch) for batch in encoder.batches] == [4, 2, 1]


async def test_no_run_exceeds_the_largest_size() -> None:
    encoder = HeldEncoder()
    async with open_batcher(encoder) as batcher:
        await batcher.encode(items(*range(40)))
    assert max(len(batch) for batch in encoder.batches) == 16


async def test_one_call_is_spread_over_all_runners() -> None:
    encoder = HeldEncoder()
    async with open_batcher(encoder, runners=2) as batcher:
        encoder.run_gate.clear()
        call = asyncio.create_task(batcher.encode(items(*range(8))))
        await started(encoder)
        await started(encoder)  # both are inside a run, so neither took the whole call
        encoder.run_gate.set()
        await call
    assert len(encoder.batches[0]) == 4


async def test_a_runner_adds_items_that_arrive_while_it_prepares() -> None:
    encoder = HeldEncoder()
    async with open_batcher(encoder) as batcher:
        encoder.prepare_gate.clear()
        first = asyncio.create_task(batcher.encode(items(0)))
        assert await asyncio.to_thread(encoder.preparing.acquire, timeout=10)
        others = asyncio.create_task(batcher.encode(items(1, 2, 3)))
        await asyncio.sleep(0)
        encoder.prepare_gate.set()
        await asyncio.gather(first, others)
    assert encoder.batches == [[0.0, 1.0, 2.0, 3.0]]


async def test_an_item_waits_for_others_at_most_the_max_delay() -> None:
    encoder, now = HeldEncoder(), [0.0]
    async with open_batcher(encoder, now=now) as batcher:
        encoder.prepare_gate.clear()
        first = asyncio.create_task(batcher.encode(items(0)))
        assert await asyncio.to_thread(encoder.preparing.acquire, timeout=10)
        others = asyncio.create_task(batcher.encode(items(1, 2, 3)))
        await asyncio.sleep(0)
        now[0] = DELAY.total_seconds()
        encoder.prepare_gate.set()
        await asyncio.gather(first, others)
    assert encoder.batches[0] == [0.0]
