"""Checkpoints of the store in memory."""

import threading
from collections.abc import Callable, Sequence

from embark.store.progress import RangeProgress


class MemoryCheckpoints:
    """Checkpoints in a dictionary; thread-safe. `check_open` raises once the store is closed."""

    def __init__(self, check_open: Callable[[], None]) -> None:
        self._check_open = check_open
        self._lock = threading.Lock()
        self._stored: dict[str, dict[int, RangeProgress]] = {}

    def save(self, space: str, progress: RangeProgress, *, first: bool = False) -> bool:
        """Keep the progress of a range, unless what is kept is further; only the `first` begins one."""
        self._check_open()
        with self._lock:
            stored = self._stored.setdefault(space, {})
            old = stored.get(progress.token_range.start)
            if old is None and not first:
                return False
            if old is not None and (old.token_range != progress.token_range or old.cursor > progress.cursor):
                return False
            stored[progress.token_range.start] = progress
            return True

    def load(self, space: str) -> Sequence[RangeProgress]:
        """Return the progress of every range that was begun."""
        self._check_open()
        with self._lock:
            return [progress for _, progress in sorted(self._stored.get(space, {}).items())]

    def drop(self, space: str) -> None:
        """Forget every range of the space."""
        self._check_open()
        with self._lock:
            self._stored.pop(space, None)
