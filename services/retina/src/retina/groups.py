"""The items of one call on their way through the batcher, and the future of their outcomes."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from retina.model_encoder import Item, Outcome


class Group:
    """Collects the outcomes of items that runners settle in any order; made on the event loop that awaits them."""

    def __init__(self, count: int, loop: asyncio.AbstractEventLoop) -> None:
        self.future: asyncio.Future[list[Outcome]] = loop.create_future()
        self._loop = loop
        self._outcomes: list[Outcome | None] = [None] * count
        self._left = count
        self._lock = threading.Lock()

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits for the outcomes any more; safe in every thread."""
        return self.future.cancelled()

    def settle(self, index: int, outcome: Outcome) -> None:
        """Keep an outcome; the last one wakes the loop, so that a call costs it one wake-up. Called by runners."""
        self._outcomes[index] = outcome
        with self._lock:
            self._left -= 1
            if self._left:
                return
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._resolve)

    def _resolve(self) -> None:
        if not self.future.done():
            self.future.set_result(cast("list[Outcome]", self._outcomes))


@dataclass(frozen=True, slots=True)
class Entry:
    """One item in the queue; `since` is when it came, in the batcher's clock."""

    group: Group
    index: int
    item: Item
    since: float


def entries(items: Sequence[Item], since: float, loop: asyncio.AbstractEventLoop) -> tuple[Group, list[Entry]]:
    """Return the group of `items`, at least one, and their entries."""
    group = Group(len(items), loop)
    return group, [Entry(group, index, item, since) for index, item in enumerate(items)]
