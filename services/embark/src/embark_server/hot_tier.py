"""The hot tier: an in-process LRU of the rows of one space."""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final

from embark.clock import Micros
from embark.store import Served, Value

# Per entry in addition to key and row, on 64-bit CPython 3.11: entry tuple 64, int 32, headers of two bytes objects 66,
# OrderedDict node and slots of two tables about 200.
ENTRY_OVERHEAD: Final = 368


class LruHotTier:
    """Rows by key; the least recently used is evicted first. The lock is taken once per request, not per key.

    `max_bytes` bounds keys, rows and overhead together; 0 disables the tier. `ttl`, in microseconds, bounds how long a
    row is served without reading the store, and so how long another server's Invalidate takes to show here.
    """

    def __init__(self, max_bytes: int, ttl: Micros) -> None:
        self._max_bytes = max_bytes
        self._ttl = ttl
        self._lock = threading.Lock()
        self._entries: OrderedDict[bytes, tuple[Value, Micros]] = OrderedDict()
        self._bytes = 0
        self._epoch = 0

    @property
    def nbytes(self) -> int:
        """Bytes in use, overhead included."""
        return self._bytes

    @property
    def epoch(self) -> int:
        """The number of drop_many calls; read it before the store is read and pass it to put_many."""
        return self._epoch

    def __len__(self) -> int:
        return len(self._entries)

    def get_many(self, keys: Sequence[bytes], now: Micros) -> list[Value | None]:
        """Return the value of every key, in order; None for keys without a value that is fresh at `now`."""
        values: list[Value | None] = []
        append = values.append
        with self._lock:
            get = self._entries.get
            touch = self._entries.move_to_end
            for key in keys:
                entry = get(key)
                if entry is not None and entry[1] > now:
                    touch(key)
                    append(entry[0])
                else:
                    append(None)
        return values

    def put_many(self, values: Mapping[bytes, Served], now: Micros, epoch: int) -> None:
        """Keep values, each with the time at which its row expires (None: never).

        Nothing is kept if a key was dropped since `epoch`: a row read before an Invalidate must not outlive it.
        """
        if not self._max_bytes:
            return
        with self._lock:
            if epoch != self._epoch:
                return
            for key, (value, expires_at) in values.items():
                self._remove(key)
                cost = _cost(key, value)
                if cost > self._max_bytes:
                    continue
                until = now + self._ttl
                self._entries[key] = (value, until if expires_at is None else min(until, expires_at))
                self._bytes += cost
            while self._bytes > self._max_bytes:
                key, (value, _) = self._entries.popitem(last=False)
                self._bytes -= _cost(key, value)

    def drop_many(self, keys: Sequence[bytes]) -> int:
        """Drop keys, and whatever is being read at this moment; return the new epoch."""
        with self._lock:
            self._epoch += 1
            for key in keys:
                self._remove(key)
            return self._epoch

    def _remove(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= _cost(key, entry[0])


def _cost(key: bytes, value: Value) -> int:
    return len(key) + ENTRY_OVERHEAD + (len(value) if isinstance(value, bytes) else len(value.detail))
