"""The repeat window: which keys were asked for a moment ago, so that one key's misses are sent once."""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from embark.clock import Micros

# About 200 bytes a key: 40 MB at most. Past it the oldest marks go, and their keys may be sent once more.
MAX_KEYS: Final = 200_000


class RepeatWindow:
    """Marks of keys with the time they were made; `window` is in microseconds, at most `limit` marks are kept."""

    def __init__(self, window: Micros, limit: int = MAX_KEYS) -> None:
        self._window = window
        self._limit = limit
        self._lock = threading.Lock()
        self._marks: OrderedDict[bytes, Micros] = OrderedDict()

    def __len__(self) -> int:
        return len(self._marks)

    def claim(self, keys: Iterable[bytes], now: Micros) -> set[bytes]:
        """Mark the keys without a mark of this window and return them: of concurrent callers one alone gets a key."""
        claimed = set()
        with self._lock:
            self._drop_old(now)
            for key in keys:
                if key not in self._marks:
                    self._mark(key, now)
                    claimed.add(key)
        return claimed

    def mark(self, keys: Iterable[bytes], now: Micros) -> None:
        """Mark keys, whether or not they have a mark."""
        with self._lock:
            self._drop_old(now)
            for key in keys:
                self._marks.pop(key, None)
                self._mark(key, now)

    def forget(self, keys: Iterable[bytes]) -> None:
        """Take marks back, so that the keys may be claimed again at once."""
        with self._lock:
            for key in keys:
                self._marks.pop(key, None)

    def _mark(self, key: bytes, now: Micros) -> None:
        self._marks[key] = now
        if len(self._marks) > self._limit:
            self._marks.popitem(last=False)

    def _drop_old(self, now: Micros) -> None:
        # The marks are in the order of their times, so the old ones are in front. A clock that was set back would
        # hold its marks for ever: those of the future go too.
        while self._marks:
            key, marked = next(iter(self._marks.items()))
            if now - self._window < marked <= now:
                return
            del self._marks[key]
