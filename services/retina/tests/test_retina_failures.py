"""What an item that fails, or that nobody waits for, does to the others in its batch: nothing."""

import asyncio
import threading

import pytest

from embark.causes import Cause, CauseKind
from embark_testing.eventually import eventually
from embark_testing.retina.held_encoder import HeldEncoder, batcher_of, items, started, vector
from retina.model_encoder import Encoded

pytestmark = pytest.mark.asyncio


async def test_an_item_that_cannot_be_prepared_fails_alone() -> None:
    async with batcher_of(HeldEncoder()) as batcher:
        outcomes = await batcher.encode(items(1, "undecodable", "no number", 2))
    assert outcomes[0] == Encoded(vector(1), b"1")
    assert outcomes[1] == Cause(CauseKind.UNDECODABLE, "as asked")
    assert isinstance(outcomes[2], Cause)
    assert outcomes[2].kind is CauseKind.ENCODER_FAILED
    assert outcomes[3] == Encoded(vector(2), b"2")


async def test_an_item_that_fails_its_batch_fails_alone() -> None:
    encoder = HeldEncoder()
    async with batcher_of(encoder) as batcher:
        outcomes = await batcher.encode(items(*range(10, 18)))
    assert len(encoder.batches[0]) == 8
    assert outcomes.pop(3) == Cause(CauseKind.ENCODER_FAILED, "the encoder failed on this item: thirteen")
    assert outcomes == [Encoded(vector(n), str(n).encode()) for n in range(10, 18) if n != 13]


async def test_a_runner_survives_what_it_could_not_encode() -> None:
    async with batcher_of(HeldEncoder()) as batcher:
        await batcher.encode(items("no number", 13))
        assert await asyncio.wait_for(batcher.encode(items(1)), 10) == [Encoded(vector(1), b"1")]


async def test_a_row_that_is_not_finite_fails_alone() -> None:
    async with batcher_of(HeldEncoder()) as batcher:
        outcomes = await batcher.encode(items(1, "nan", 2))
    assert [isinstance(outcome, Encoded) for outcome in outcomes] == [True, False, True]


async def test_what_nobody_waits_for_is_not_encoded() -> None:
    encoder = HeldEncoder()
    async with batcher_of(encoder) as batcher:
        encoder.run_gate.clear()
        first = asyncio.create_task(batcher.encode(items(0)))
        await started(encoder)
        given_up, kept = (asyncio.create_task(batcher.encode(items(n))) for n in (1, 2))
        await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.sleep(0)
        encoder.run_gate.set()
        await asyncio.gather(first, kept)
    assert encoder.prepared == [0.0, 2.0]


async def test_closing_finishes_what_waits_and_takes_no_more() -> None:
    encoder = HeldEncoder()
    async with batcher_of(encoder) as batcher:
        encoder.run_gate.clear()
        calls = [asyncio.create_task(batcher.encode(items(n))) for n in range(3)]
        await started(encoder)
        closing = threading.Thread(target=batcher.close)
        closing.start()
        encoder.run_gate.set()
        assert [len(outcomes) for outcomes in await asyncio.gather(*calls)] == [1, 1, 1]
        closing.join()
        with pytest.raises(RuntimeError, match="closed"):
            await batcher.encode(items(4))
    assert eventually(lambda: encoder.prepared == [0.0, 1.0, 2.0])
