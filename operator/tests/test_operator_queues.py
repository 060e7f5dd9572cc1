import asyncio
from collections.abc import Awaitable, Callable

import pytest

from embark_operator.watch.queues import WorkQueue

pytestmark = pytest.mark.asyncio


async def _run(queue: WorkQueue[str], until: Callable[[], Awaitable[object]], workers: int = 4) -> None:
    running = asyncio.create_task(queue.run(workers))
    try:
        await asyncio.wait_for(until(), 10)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_key_added_many_times_is_processed_once() -> None:
    processed: list[str] = []
    done = asyncio.Event()

    async def process(key: str) -> bool:
        processed.append(key)
        if key == "last":
            done.set()
        return True

    queue = WorkQueue(process, first_backoff=0.01, max_backoff=0.01)
    for key in ("a", "a", "a", "last"):
        queue.add(key)
    await _run(queue, done.wait, workers=1)
    assert processed == ["a", "last"]


async def test_a_key_added_while_it_is_processed_is_processed_again_but_never_concurrently() -> None:
    passes = 0
    running = 0
    most = 0
    begun, proceed, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def process(_key: str) -> bool:
        nonlocal passes, running, most
        passes += 1
        running += 1
        most = max(most, running)
        begun.set()
        await proceed.wait()
        running -= 1
        if passes == 2:
            done.set()
        return True

    async def add_twice() -> None:
        await begun.wait()
        queue.add("a")
        queue.add("a")
        proceed.set()
        await done.wait()

    queue = WorkQueue(process, first_backoff=0.01, max_backoff=0.01)
    queue.add("a")
    await _run(queue, add_twice)
    assert (passes, most) == (2, 1)


async def test_a_failed_key_is_retried_until_it_succeeds() -> None:
    passes = 0
    done = asyncio.Event()

    async def process(_key: str) -> bool:
        nonlocal passes
        passes += 1
        if passes == 3:
            done.set()
        return passes == 3

    queue = WorkQueue(process, first_backoff=0.001, max_backoff=0.001)
    queue.add("a")
    await _run(queue, done.wait)
    assert passes == 3
    assert len(queue) == 0


async def test_a_forgotten_key_is_not_retried() -> None:
    passed: list[str] = []
    done = asyncio.Event()

    async def process(key: str) -> bool:
        passed.append(key)
        if key == "forgotten":
            asyncio.get_running_loop().call_soon(queue.forget, key)
            asyncio.get_running_loop().call_later(0.02, queue.add, "after")
            return False
        done.set()
        return True

    queue = WorkQueue(process, first_backoff=0.01, max_backoff=0.01)
    queue.add("forgotten")
    await _run(queue, done.wait)
    assert passed == ["forgotten", "after"]
