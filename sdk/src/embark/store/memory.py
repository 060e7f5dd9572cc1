"""The store in memory: for tests, and for a trial that need not outlive its process."""

import heapq
import itertools
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from embark.clock import Clock, Micros, micros
from embark.errors import ClosedError, UnavailableError
from embark.store.memory_progress import MemoryCheckpoints
from embark.store.neighbours import Deadline, Neighbour, Search, search_all
from embark.store.ranges import KeyPage, Page, TokenRange, pages_of, to_token
from embark.store.rows import GRACE, Embedding, Row, Served, expired, key_row, served


@dataclass(frozen=True, slots=True)
class _Deleted:
    """A delete, kept so that an earlier write that arrives later finds it."""

    written_at: Micros


@dataclass(frozen=True, slots=True)
class _Table:
    """The entries of a space by key, and a heap of when which entry ends (numbered, as entries have no order)."""

    entries: dict[str, Row | _Deleted] = field(default_factory=dict)
    ends: list[tuple[Micros, int, str, Row | _Deleted]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def put(self, key: str, entry: Row | _Deleted, ends_at: Micros | None) -> None:
        self.entries[key] = entry
        if ends_at is not None:
            heapq.heappush(self.ends, (ends_at, next(self.numbers), key, entry))

    def purge(self, until: Micros) -> None:
        while self.ends and self.ends[0][0] <= until:
            _, _, key, entry = heapq.heappop(self.ends)
            if self.entries.get(key) is entry:
                del self.entries[key]


def _write_wins(written_at: Micros, old: Row | _Deleted | None) -> bool:
    if old is None:
        return True
    return written_at > old.written_at or (written_at == old.written_at and not isinstance(old, _Deleted))


class MemoryStore:
    """A RolloutStore in dictionaries; thread-safe. A space that ensure_space was never called for is unavailable.

    Deletes, and rows whose time is over, stand against earlier writes for GRACE; every change purges older ones.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._tables: dict[str, _Table] = {}
        self._closed = False
        self._checkpoints = MemoryCheckpoints(self._check_open)

    def ensure_space(self, space: str) -> None:
        """Make the space's table where it is not there yet."""
        with self._lock:
            self._check_open()
            self._tables.setdefault(space, _Table())
            self._change(space)

    def drop_space(self, space: str) -> None:
        """Forget the space's rows and checkpoints."""
        self._checkpoints.drop(space)
        with self._lock:
            self._tables.pop(space, None)

    def checkpoints(self) -> MemoryCheckpoints:
        """Return the checkpoints of this store."""
        return self._checkpoints

    def read(self, space: str, keys: Sequence[str], timeout: timedelta) -> dict[str, Row]:  # noqa: ARG002 - memory never waits
        """Return the rows of those keys that have one and whose time is not over."""
        with self._lock:
            return self._alive(space, keys)

    def lookup(self, space: str, keys: Sequence[str], timeout: timedelta) -> dict[str, Served]:
        """Return what look-ups need of the same rows."""
        return {key: served(row) for key, row in self.read(space, keys, timeout).items()}

    def scan(self, space: str, page: int = 1000) -> Iterator[Sequence[Row]]:
        """Yield the rows of the keys that were there at the start, as they are when their page is made."""
        with self._lock:
            keys = list(self._table(space).entries)
        for start in range(0, len(keys), page):
            with self._lock:
                rows = list(self._alive(space, keys[start : start + page]).values())
            if rows:
                yield rows

    def scan_range(self, space: str, token_range: TokenRange, page: int = 1000) -> Iterator[Page]:
        """Yield the rows of the keys of a range that were there at the start, as they are when their page is made."""
        with self._lock:
            keys = [(to_token(key), key) for key in self._table(space).entries]
        asked = sorted((token, key) for token, key in keys if token_range.start < token <= token_range.end)
        yield from pages_of(self._fetched(space, asked, page), token_range.end, page)

    def scan_keys(self, space: str, token_range: TokenRange, page: int = 1000) -> Iterator[KeyPage]:
        """Yield what is known of the keys of the same rows."""
        for found in self.scan_range(space, token_range, page):
            yield KeyPage([key_row(row) for row in found.rows], found.cursor)

    def similar(self, space: str, search: Search, timeout: timedelta) -> Sequence[Neighbour]:
        """Return the nearest embeddings, exactly: every one is looked at."""
        return search_all(search, lambda page: self.scan(space, page), Deadline(timeout))

    def count(self, space: str) -> int:
        """Return the number of embeddings, exactly."""
        with self._lock:
            alive = self._alive(space, list(self._table(space).entries))
        return sum(isinstance(row, Embedding) for row in alive.values())

    def write(self, space: str, rows: Sequence[Row]) -> None:
        """Write rows; all of them are seen at once."""
        with self._lock:
            table = self._change(space)
            for row in rows:
                if _write_wins(row.written_at, table.entries.get(row.key)):
                    table.put(row.key, row, row.expires_at)

    def delete(self, space: str, keys: Sequence[str], at: Micros) -> None:
        """Delete what was written up to and including `at`."""
        with self._lock:
            table = self._change(space)
            for key in keys:
                old = table.entries.get(key)
                if old is None or at >= old.written_at:
                    table.put(key, _Deleted(at), self._clock())

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._closed = True
            self._tables.clear()

    def _fetched(
        self, space: str, keys: Sequence[tuple[int, str]], page: int
    ) -> Iterator[Sequence[tuple[int, Row | None]]]:
        for start in range(0, len(keys), page):
            part = keys[start : start + page]
            with self._lock:
                rows = self._alive(space, [key for _, key in part])
            yield [(token, rows.get(key)) for token, key in part]

    def _alive(self, space: str, keys: Sequence[str]) -> dict[str, Row]:
        entries, now = self._table(space).entries, self._clock()
        found = ((key, entries.get(key)) for key in keys)
        return {
            key: entry
            for key, entry in found
            if entry is not None and not isinstance(entry, _Deleted) and not expired(entry, now)
        }

    def _change(self, space: str) -> _Table:
        table = self._table(space)
        table.purge(self._clock() - micros(GRACE))
        return table

    def _table(self, space: str) -> _Table:
        self._check_open()
        if space not in self._tables:
            raise UnavailableError("store", f"no table for the space {space}; ensure_space makes it")
        return self._tables[space]

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("the store in memory was closed before")
