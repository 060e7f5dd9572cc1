"""The store in a SQLite file, behind EmbArk and KFC in the local mode; rows outlive the process, kill -9 included."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from embark.clock import Clock, Micros, micros
from embark.sqlite import SqliteFile
from embark.store.neighbours import Deadline, Neighbour, Search, search_all
from embark.store.ranges import LAST_TOKEN, KeyPage, Page, R, TokenRange, pages_between_tokens, pages_of
from embark.store.rows import GRACE, Row, Served, served
from embark.store.sqlite.parts import change_in_parts
from embark.store.sqlite.progress import CREATE_PROGRESS, SqliteCheckpoints
from embark.store.sqlite.rows import Statements, key_row_of_columns, of_columns, to_columns, tombstone
from embark.store.sqlite.tokens import ensure_tokens

# For what no look-up waits for: writes (they queue up behind the topic's), pages of a scan, counts.
_PATIENCE: Final = timedelta(seconds=10)
# Rows that one write or delete forgets besides its own work: more than it adds, so that old ones never pile up.
_PURGED_WITH_A_WRITE: Final = 256
# Rows that ensure_space or drop_space forgets in one transaction, so that other writers get in between.
_PURGED_AT_ONCE: Final = 10_000


class SqliteStore:
    """A RolloutStore in the file at `path`; thread-safe, and other processes may have the same file open.

    Nothing is opened before the first call. A space that ensure_space was never called for is unavailable. Deletes, and
    rows whose time is over, stand against earlier writes for GRACE; later writes, deletes and ensure_space purge them.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._file = SqliteFile(path, "store")
        self._clock = clock
        self._known: dict[str, Statements] = {}

    def ensure_space(self, space: str) -> None:
        """Make the file and the space's table where they are not there yet, and purge what is forgotten."""
        statements = self._statements(space)
        self._file.create((*statements.create, CREATE_PROGRESS), _PATIENCE)
        ensure_tokens(self._file, space, _PATIENCE)
        change_in_parts(
            self._file, _PATIENCE, _PURGED_AT_ONCE, lambda connection, limit: self._purge(connection, statements, limit)
        )

    def drop_space(self, space: str) -> None:
        """Drop the space's checkpoints, then its rows, a part at a time, then its table."""
        statements = self._statements(space)
        self._file.create((CREATE_PROGRESS,), _PATIENCE)
        self.checkpoints().drop(space)
        change_in_parts(self._file, _PATIENCE, _PURGED_AT_ONCE, statements.empty_part)
        with self._file.transaction(_PATIENCE) as connection:
            connection.execute(statements.drop)

    def checkpoints(self) -> SqliteCheckpoints:
        """Return the checkpoints in the same file."""
        return SqliteCheckpoints(self._file, _PATIENCE)

    def read(self, space: str, keys: Sequence[str], timeout: timedelta) -> dict[str, Row]:
        """Return the rows of those keys that have one, in one statement however many keys there are."""
        statements = self._statements(space)
        if len(keys) == 1:
            sql, asked = statements.read_one, keys[0]
        else:
            sql, asked = statements.read_many, json.dumps(list(keys), ensure_ascii=False)
        with self._file.lend(timeout) as connection:
            found = connection.execute(sql, (asked, self._clock())).fetchall()
        return {columns[0]: of_columns(columns) for columns in found}

    def lookup(self, space: str, keys: Sequence[str], timeout: timedelta) -> dict[str, Served]:
        """Return what look-ups need of the same rows."""
        return {key: served(row) for key, row in self.read(space, keys, timeout).items()}

    def scan(self, space: str, page: int = 1000) -> Iterator[Sequence[Row]]:
        """Yield the rows in the order of their first writes; between two pages nothing is locked or open."""
        return self._scan(space, page, lambda: _PATIENCE)

    def scan_range(self, space: str, token_range: TokenRange, page: int = 1000) -> Iterator[Page]:
        """Yield the rows of a range; between two pages nothing is locked or open."""
        fetched = self._fetched(self._statements(space).range_page, token_range, page, of_columns)
        return pages_of(fetched, token_range.end, page)

    def scan_keys(self, space: str, token_range: TokenRange, page: int = 1000) -> Iterator[KeyPage]:
        """Yield what is known of the keys of the same rows."""
        fetched = self._fetched(self._statements(space).key_page, token_range, page, key_row_of_columns)
        return pages_between_tokens(fetched, token_range.end, page)

    def similar(self, space: str, search: Search, timeout: timedelta) -> Sequence[Neighbour]:
        """Return the nearest embeddings, exactly: every one is read, so it takes longer the more there are."""
        deadline = Deadline(timeout)
        return search_all(search, lambda page: self._scan(space, page, deadline.left), deadline)

    def count(self, space: str) -> int:
        """Return the number of embeddings, exactly, from an index."""
        with self._file.lend(_PATIENCE) as connection:
            (entries,) = connection.execute(self._statements(space).count, (self._clock(),)).fetchone()
        return int(entries)

    def write(self, space: str, rows: Sequence[Row]) -> None:
        """Write rows in one transaction."""
        statements = self._statements(space)
        with self._file.transaction(_PATIENCE) as connection:
            connection.executemany(statements.write, map(to_columns, rows))
            self._purge(connection, statements, _PURGED_WITH_A_WRITE + len(rows))

    def delete(self, space: str, keys: Sequence[str], at: Micros) -> None:
        """Delete in one transaction what was written up to and including `at`."""
        statements = self._statements(space)
        now = self._clock()
        with self._file.transaction(_PATIENCE) as connection:
            connection.executemany(statements.delete, (tombstone(key, at, now) for key in keys))
            self._purge(connection, statements, _PURGED_WITH_A_WRITE + len(keys))

    def close(self) -> None:
        """Close the file; calls in other threads that are under way end first."""
        self._file.close()

    def _scan(self, space: str, page: int, patience: Callable[[], timedelta]) -> Iterator[Sequence[Row]]:
        statements = self._statements(space)
        with self._file.lend(patience()) as connection:
            (last,) = connection.execute(statements.last_rowid).fetchone()
        seen = 0
        while seen < last:
            with self._file.lend(patience()) as connection:
                found = connection.execute(statements.page, (seen, self._clock(), page)).fetchall()
            if not found:
                return
            seen = found[-1][0]
            yield [of_columns(columns) for _, *columns in found]

    def _fetched(
        self, statement: str, token_range: TokenRange, page: int, row_of: Callable[[Any], R]
    ) -> Iterator[Sequence[tuple[int, R]]]:
        after = token_range.start, LAST_TOKEN  # no rowid is greater
        fetched = page
        while fetched == page:
            with self._file.lend(_PATIENCE) as connection:
                found = connection.execute(statement, (*after, token_range.end, self._clock(), page)).fetchall()
            yield [(token, row_of(columns)) for token, _, *columns in found]
            fetched, after = len(found), found[-1][:2] if found else after

    def _statements(self, space: str) -> Statements:
        if space not in self._known:
            self._known[space] = Statements.of(space)
        return self._known[space]

    def _purge(self, connection: sqlite3.Connection, statements: Statements, limit: int) -> int:
        return connection.execute(statements.purge, (self._clock() - micros(GRACE), limit)).rowcount
