"""The store in memory, for tests and short trials; nothing outlives the process."""

import heapq
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from embark.clock import Clock, Micros, micros
from embark.errors import ClosedError, UnavailableError
from embark.store.neighbours import Deadline, Neighbour, Search, search_all
from embark.store.progress import RangeProgress
from embark.store.ranges import KeyPage, Page, TokenRange, pages_between_tokens, to_token
from embark.store.rows import GRACE, Embedding, Row, Served, expired, key_row, served


@dataclass(frozen=True, slots=True)
class _Deleted:
    """A delete, kept to reject an earlier write that arrives later."""

    written_at: Micros


@dataclass(frozen=True, slots=True)
class _MemoryTable:
    """The entries of a space by key, and a heap of the times at which they expire.

    The heap holds numbers too, since entries have no order.
    """

    entries: dict[str, Row | _Deleted] = field(default_factory=dict)
    expiries: list[tuple[Micros, int, str, Row | _Deleted]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def put(self, key: str, entry: Row | _Deleted, expires_at: Micros | None) -> None:
        self.entries[key] = entry
        if expires_at is not None:
            heapq.heappush(self.expiries, (expires_at, next(self.numbers), key, entry))

    def purge(self, until: Micros) -> None:
        while self.expiries and self.expiries[0][0] <= until:
            _, _, key, entry = heapq.heappop(self.expiries)
            if self.entries.get(key) is entry:
                del self.entries[key]


def _write_wins(written_at: Micros, old: Row | _Deleted | None) -> bool:
    if old is None:
        return True
    return written_at > old.written_at or (written_at == old.written_at and not isinstance(old, _Deleted))


class MemoryCheckpoints:
    """Checkpoints in a dictionary; thread-safe. `check_open` raises once the store is closed."""

    def __init__(self, check_open: Callable[[], None]) -> None:
        self._check_open = check_open
        self._lock = threading.Lock()
        self._stored: dict[str, dict[int, RangeProgress]] = {}

    def save(self, space: str, progress: RangeProgress, *, first: bool = False) -> bool:
        """Store the progress of a range unless the stored one is further; only a `first` save creates one."""
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
        """Return the progress of every range that has a checkpoint."""
        self._check_open()
        with self._lock:
            return [progress for _, progress in sorted(self._stored.get(space, {}).items())]

    def drop(self, space: str) -> None:
        """Delete the checkpoints of the space."""
        self._check_open()
        with self._lock:
            self._stored.pop(space, None)


class MemoryStore:
    """A RolloutStore in dictionaries; thread-safe. A space is unavailable until ensure_space was called for it.

    Deletes and expired rows stand against earlier writes for GRACE; every change purges older ones.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._tables: dict[str, _MemoryTable] = {}
        self._closed = False
        self._checkpoints = MemoryCheckpoints(self._check_open)

    def ensure_space(self, space: str) -> None:
        """Create the space's table unless it exists."""
        with self._lock:
            self._check_open()
            self._tables.setdefault(space, _MemoryTable())
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
        """Return the unexpired rows of the keys that have one."""
        with self._lock:
            return self._alive(space, keys)

    def lookup(self, space: str, keys: Sequence[str], timeout: timedelta) -> dict[str, Served]:
        """Return what lookups need of the same rows."""
        return {key: served(row) for key, row in self.read(space, keys, timeout).items()}

    def scan(self, space: str, page: int = 1000) -> Iterator[Sequence[Row]]:
        """Yield the rows of the keys that existed at the start, as of the time when their page is read."""
        with self._lock:
            keys = list(self._table(space).entries)
        for start in range(0, len(keys), page):
            with self._lock:
                rows = list(self._alive(space, keys[start : start + page]).values())
            if rows:
                yield rows

    def scan_range(self, space: str, token_range: TokenRange, page: int = 1000) -> Iterator[Page]:
        """Yield the rows of the keys of a range that existed at the start, as of the time when their page is read."""
        with self._lock:
            keys = [(to_token(key), key) for key in self._table(space).entries]
        wanted = sorted((token, key) for token, key in keys if token_range.start < token <= token_range.end)
        pages: Iterator[Page] = pages_between_tokens(self._fetch(space, wanted, page), token_range.end, page)
        yield from pages

    def scan_keys(self, space: str, token_range: TokenRange, page: int = 1000) -> Iterator[KeyPage]:
        """Yield the keys of the same rows."""
        for found in self.scan_range(space, token_range, page):
            yield KeyPage([key_row(row) for row in found.rows], found.cursor)

    def similar(self, space: str, search: Search, timeout: timedelta) -> Sequence[Neighbour]:
        """Return the nearest embeddings, exactly: every row is compared."""
        return search_all(search, lambda page: self.scan(space, page), Deadline(timeout))

    def count(self, space: str) -> int:
        """Return the number of embeddings, exactly."""
        with self._lock:
            alive = self._alive(space, list(self._table(space).entries))
        return sum(isinstance(row, Embedding) for row in alive.values())

    def write(self, space: str, rows: Sequence[Row]) -> None:
        """Write rows; they become visible together."""
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
        """Discard everything."""
        with self._lock:
            self._closed = True
            self._tables.clear()

    def _fetch(
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

    def _change(self, space: str) -> _MemoryTable:
        table = self._table(space)
        table.purge(self._clock() - micros(GRACE))
        return table

    def _table(self, space: str) -> _MemoryTable:
        self._check_open()
        if space not in self._tables:
            raise UnavailableError("store", f"no table for the space {space}; call ensure_space first")
        return self._tables[space]

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("the store in memory is closed")
