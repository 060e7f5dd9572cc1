"""Items that fail or are abandoned have no effect on the others in their batch."""

import asyncio
import threading

import pytest

from embark.causes import Cause, CauseKind
from embark_testing.eventually import eventually
from embark_testing.retina.held_encoder import HeldEncoder, items, open_batcher, started, vector
from retina.model_encoder import Encoded

pytestmark = pytest.mark.asyncio


async def test_an_item_that_cannot_be_prepared_does_not_fail_the_others() -> None:
    async with open_batcher(HeldEncoder()) as batcher:
        outcomes = await batcher.encode(items(1, "undecodable", "not a number", 2))
    assert outcomes[0] == Encoded(vector(1), b"1")
    assert outcomes[1] == Cause(CauseKind.UNDECODABLE, "as requested")
    assert isinstance(outcomes[2], Cause)
    assert outcomes[2].kind is CauseKind.ENCODER_FAILED
    assert outcomes[3] == Encoded(vector(2), b"2")


async def test_an_item_that_fails_its_batch_does_not_fail_the_others() -> None:
    encoder = HeldEncoder()
    async with open_batcher(encoder) as batcher:
        outcomes = await batcher.encode(items(*range(10, 18)))
    assert len(encoder.batches[0]) == 8
    assert outcomes.pop(3) == Cause(CauseKind.ENCODER_FAILED, "the encoder failed on this item: thirteen")
    assert outcomes == [Encoded(vector(n), str(n).encode()) for n in range(10, 18) if n != 13]


async def test_a_runner_survives_items_that_fail() -> None:
    async with open_batcher(HeldEncoder()) as batcher:
        await batcher.encode(items("not a number", 13))
        assert await asyncio.wait_for(batcher.encode(items(1)), 10) == [Encoded(vector(1), b"1")]


async def test_a_row_that_is_not_finite_does_not_fail_the_others() -> None:
    async with open_batcher(HeldEncoder()) as batcher:
        outcomes = await batcher.encode(items(1, "nan", 2))
    assert [isinstance(outcome, Encoded) for outcome in outcomes] == [True, False, True]


async def test_an_item_of_a_cancelled_call_is_not_encoded() -> None:
    encoder = HeldEncoder()
    async with open_batcher(encoder) as batcher:
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


async def test_close_encodes_what_is_queued_and_rejects_new_items() -> None:
    encoder = HeldEncoder()
    async with open_batcher(encoder) as batcher:
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
