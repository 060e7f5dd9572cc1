"""Lookups that start at a steady rate, regardless of earlier answers, as those of many clients do."""

import asyncio
from collections.abc import Sequence

from embark.client import AsyncEmbArkClient, Embeddings


def look_up_steadily(target: str, requests: Sequence[Sequence[str]], rate: float, deadline: float) -> list[Embeddings]:
    """Send `requests`, `rate` per second, each with a deadline of `deadline` seconds; return the answers in order.

    Raises:
        UnavailableError: a lookup was not answered within its deadline.
    """
    return asyncio.run(_look_up(target, requests, rate, deadline))


async def _look_up(target: str, requests: Sequence[Sequence[str]], rate: float, deadline: float) -> list[Embeddings]:
    loop = asyncio.get_running_loop()
    async with AsyncEmbArkClient(target, timeout=deadline) as client, asyncio.TaskGroup() as group:
        begin = loop.time()
        tasks = []
        for number, keys in enumerate(requests):
            await asyncio.sleep(begin + number / rate - loop.time())
            tasks.append(group.create_task(client.lookup(list(keys))))
    return [task.result() for task in tasks]
