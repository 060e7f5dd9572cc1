"""A work queue: each key is queued at most once, and never processed twice at the same time."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from datetime import timedelta
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class WorkQueue(Generic[K]):
    """Passes keys to `process`. For one event loop.

    A key for which `process` returns False is retried with backoff; one for which it returns a time, after that time.
    """

    def __init__(
        self, process: Callable[[K], Awaitable[bool | timedelta]], *, first_backoff: float, max_backoff: float
    ) -> None:
        self._process = process
        self._first_backoff = first_backoff
        self._max_backoff = max_backoff
        self._ready: asyncio.Queue[K] = asyncio.Queue()
        self._queued: set[K] = set()
        self._running: set[K] = set()
        self._added_while_running: set[K] = set()
        self._failures: dict[K, int] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}

    def add(self, key: K) -> None:
        """Enqueue a key; one that is being processed is enqueued again afterwards."""
        if key in self._running:
            self._added_while_running.add(key)
        elif key not in self._queued:
            self._queued.add(key)
            self._ready.put_nowait(key)

    def forget(self, key: K) -> None:
        """Forget the failures and the pending retry of a key."""
        self._failures.pop(key, None)
        self._cancel_retry(key)

    def __len__(self) -> int:
        """Return how many keys are queued or wait for a retry."""
        return len(self._queued) + len(self._timers)

    async def run(self, workers: int) -> None:
        """Process keys, up to `workers` at a time, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            key = await self._ready.get()
            self._queued.discard(key)
            self._running.add(key)
            self._cancel_retry(key)
            try:
                done = await self._process(key)
            finally:
                self._running.discard(key)
            if done is False:
                self._retry(key)
            else:
                self._failures.pop(key, None)
            if isinstance(done, timedelta):
                self._add_after(key, done.total_seconds())
            if key in self._added_while_running:
                self._added_while_running.discard(key)
                self.add(key)

    def _cancel_retry(self, key: K) -> None:
        timer = self._timers.pop(key, None)
        if timer:
            timer.cancel()

    def _retry(self, key: K) -> None:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self._add_after(key, min(self._max_backoff, self._first_backoff * 2.0**failures))

    def _add_after(self, key: K, seconds: float) -> None:
        self._timers[key] = asyncio.get_running_loop().call_later(seconds, self._expire, key)

    def _expire(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)
