"""Waiting for a condition: returns as soon as it holds, and fails with its name after a timeout."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
_STEP = 0.005


def eventually(condition: Callable[[], T], timeout: float = 10.0, what: str = "") -> T:
    """Return the first truthy result of `condition`, polled for up to `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, f"never came true within {timeout} s: {what or condition}"
        time.sleep(_STEP)


async def eventually_async(condition: Callable[[], Awaitable[T]], timeout: float = 10.0, what: str = "") -> T:  # noqa: ASYNC109
    """Return the first truthy result of awaiting `condition()`, polled for up to `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        result = await condition()
        if result:
            return result
        assert time.monotonic() < deadline, f"never came true within {timeout} s: {what or condition}"
        await asyncio.sleep(_STEP)
