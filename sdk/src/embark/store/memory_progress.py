"""Checkpoints of the store in memory."""

import threading
from collections.abc import Callable, Sequence

from embark.store.progress import Progress, stored_progress
from embark.store.ranges import TokenRange


class MemoryCheckpoints:
    """Checkpoints in a dictionary; thread-safe. `check_open` raises once the store is closed."""

    def __init__(self, check_open: Callable[[], None]) -> None:
        self._check_open = check_open
        self._lock = threading.Lock()
        self._stored: dict[str, dict[TokenRange, Progress]] = {}

    def begin(self, space: str, within: TokenRange) -> Progress:
        """Return the progress of a range, which begins at its start where there is none yet."""
        self._check_open()
        with self._lock:
            stored = self._stored.setdefault(space, {})
            progress = stored_progress(stored.values(), space, within) or Progress(within, within.start)
            stored[within] = progress
            return progress

    def save(self, space: str, progress: Progress) -> bool:
        """Keep the progress of a range that was begun, unless what is kept is further."""
        self._check_open()
        with self._lock:
            stored = self._stored.get(space, {})
            old = stored.get(progress.within)
            if old is None or old.cursor > progress.cursor:
                return False
            stored[progress.within] = progress
            return True

    def load(self, space: str) -> Sequence[Progress]:
        """Return the progress of every range that was begun."""
        self._check_open()
        with self._lock:
            return [progress for _, progress in sorted(self._stored.get(space, {}).items())]

    def drop(self, space: str) -> None:
        """Forget every range of the space."""
        self._check_open()
        with self._lock:
            self._stored.pop(space, None)
