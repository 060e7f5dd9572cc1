"""Which caches are due for a pass: each once however often it was asked for, and never two passes of one at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from datetime import timedelta
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class WorkQueue(Generic[K]):
    """Hands keys to `process`. For one event loop.

    One for which it returns False is due again after a backoff, one for which it returns a time after that time.
    """

    def __init__(
        self, process: Callable[[K], Awaitable[bool | timedelta]], *, first_backoff: float, most_backoff: float
    ) -> None:
        self._process: Final = process
        self._first: Final = first_backoff
        self._most: Final = most_backoff
        self._ready: Final[asyncio.Queue[K]] = asyncio.Queue()
        self._queued: Final[set[K]] = set()
        self._running: Final[set[K]] = set()
        self._again: Final[set[K]] = set()  # asked for while they ran
        self._failures: Final[dict[K, int]] = {}
        self._timers: Final[dict[K, asyncio.TimerHandle]] = {}

    def add(self, key: K) -> None:
        """Make a key due now; one that runs is due once more when it has ended."""
        if key in self._running:
            self._again.add(key)
        elif key not in self._queued:
            self._queued.add(key)
            self._ready.put_nowait(key)

    def forget(self, key: K) -> None:
        """Drop what is remembered of a key that is gone."""
        self._failures.pop(key, None)
        self._cancel_retry(key)

    def __len__(self) -> int:
        """Return how many keys are due or wait for their next attempt."""
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
            if key in self._again:
                self._again.discard(key)
                self.add(key)

    def _cancel_retry(self, key: K) -> None:
        timer = self._timers.pop(key, None)
        if timer:
            timer.cancel()

    def _retry(self, key: K) -> None:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self._add_after(key, min(self._most, self._first * 2.0**failures))

    def _add_after(self, key: K, seconds: float) -> None:
        self._timers[key] = asyncio.get_running_loop().call_later(seconds, self._due, key)

    def _due(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)
