"""The queue between the event loop and the runners: who takes how many items, and when; `batching` owns it."""

import threading
from collections import deque
from collections.abc import Sequence

from retina.groups import Entry


class EntryQueue:
    """Hands items to `runners` threads, at most `most` at a time."""

    def __init__(self, runners: int, most: int) -> None:
        self._runners = runners
        self._most = most
        self._entries: deque[Entry] = deque()
        self._changed = threading.Condition()
        self._idle = 0
        self._closed = False

    def __len__(self) -> int:
        """Return how many items wait."""
        return len(self._entries)

    def put(self, entries: Sequence[Entry]) -> None:
        """Add items; never waits for a runner.

        Raises:
            RuntimeError: the queue is closed.
        """
        with self._changed:
            if self._closed:
                raise RuntimeError("the batcher is closed")
            self._entries.extend(entries)
            self._changed.notify(len(entries))

    def take(self) -> list[Entry]:
        """Wait for items and return a runner's share of them; empty once the queue is closed and done.

        An idle runner never waits for a batch to grow. It takes no more than its share, so that a request is spread
        over all cores instead of becoming one core's batch.
        """
        with self._changed:
            self._idle += 1
            try:
                while True:
                    if taken := self._share(self._most):
                        return taken
                    if self._closed:
                        return []
                    self._changed.wait()
            finally:
                self._idle -= 1

    def take_more(self, room: int) -> list[Entry]:
        """Return at once what a runner may add to the items it has; nothing while another runner is idle."""
        with self._changed:
            return [] if self._idle else self._share(room)

    def close(self) -> None:
        """Take no more items; what waits is still handed out."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _share(self, most: int) -> list[Entry]:
        count = min(most, -(-len(self._entries) // self._runners))
        taken: list[Entry] = []
        while self._entries and len(taken) < count:
            entry = self._entries.popleft()
            if not entry.group.abandoned:
                taken.append(entry)
        return taken
