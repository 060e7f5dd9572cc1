"""The store in the SQLite file of the local mode; rows outlive the process, even kill -9."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from embark.clock import Clock, Micros, micros
from embark.sqlite_file import SqliteFile
from embark.store.neighbours import Deadline, Neighbour, Search, search_all
from embark.store.ranges import LAST_TOKEN, KeyPage, Page, R, TokenRange, pages_between_tokens
from embark.store.rows import GRACE, Row, Served, served
from embark.store.sqlite.checkpoints import CREATE_PROGRESS, SqliteCheckpoints
from embark.store.sqlite.table import TableSql, ensure_tokens, to_columns, to_key_row, to_row, tombstone


@dataclass(frozen=True, slots=True)
class SqliteLimits:
    """How long the SQLite store waits, and how many rows it changes in one transaction."""

    timeout: timedelta = timedelta(seconds=10)
    """Of everything that no lookup waits for: writes (they queue up behind the topic's), pages of a scan, counts."""
    rows_purged_per_write: int = 256
    """On top of the rows of the write or delete itself: more than it adds, so that expired rows never pile up."""
    rows_per_batch: int = 10_000
    """Of ensure_space and drop_space, between whose transactions other writers get their turns."""


DEFAULT_LIMITS: Final = SqliteLimits()


class SqliteStore:
    """A RolloutStore in the file at `path`; thread-safe, and other processes may have the same file open.

    Opens the file at the first call. A space is unavailable until ensure_space was called for it. Deletes and expired
    rows stand against earlier writes for GRACE; later writes, deletes and ensure_space purge them.
    """

    def __init__(self, path: Path, clock: Clock, limits: SqliteLimits = DEFAULT_LIMITS) -> None:
        self._file = SqliteFile(path, "store")
        self._clock = clock
        self._limits = limits
        self._tables: dict[str, TableSql] = {}

    def ensure_space(self, space: str) -> None:
        """Create the file and the space's table unless they exist, and purge expired rows."""
        sql, limits = self._table(space), self._limits
        self._file.create((*sql.create, CREATE_PROGRESS), limits.timeout)
        ensure_tokens(self._file, space, limits.timeout, limits.rows_per_batch)
        self._file.change_in_batches(
            lambda connection, limit: self._purge(connection, sql, limit), limits.rows_per_batch, limits.timeout
        )

    def drop_space(self, space: str) -> None:
        """Drop the space's checkpoints, then its rows in batches, then its table."""
        sql, limits = self._table(space), self._limits
        self._file.create((CREATE_PROGRESS,), limits.timeout)
        self.checkpoints().drop(space)
        self._file.change_in_batches(sql.delete_rows, limits.rows_per_batch, limits.timeout)
        with self._file.transaction(limits.timeout) as connection:
            connection.execute(sql.drop)

    def checkpoints(self) -> SqliteCheckpoints:
        """Return the checkpoints in the same file."""
        return SqliteCheckpoints(self._file, self._limits.timeout)

    def read(self, space: str, keys: Sequence[str], timeout: timedelta) -> dict[str, Row]:
        """Return the rows of the keys that have one, with one statement for any number of keys."""
        sql = self._table(space)
        if len(keys) == 1:
            statement, wanted = sql.read_one, keys[0]
        else:
            statement, wanted = sql.read_many, json.dumps(list(keys), ensure_ascii=False)
        with self._file.lend(timeout) as connection:
            found = connection.execute(statement, (wanted, self._clock())).fetchall()
        return {columns[0]: to_row(columns) for columns in found}

    def lookup(self, space: str, keys: Sequence[str], timeout: timedelta) -> dict[str, Served]:
        """Return what lookups need of the same rows."""
        return {key: served(row) for key, row in self.read(space, keys, timeout).items()}

    def scan(self, space: str, page: int = 1000) -> Iterator[Sequence[Row]]:
        """Yield the rows in the order of their first writes; between two pages nothing is locked or open."""
        return self._scan(space, page, lambda: self._limits.timeout)

    def scan_range(self, space: str, token_range: TokenRange, page: int = 1000) -> Iterator[Page]:
        """Yield the rows of a range; between two pages nothing is locked or open."""
        fetched = self._fetch_range(self._table(space).range_page, token_range, page, to_row)
        return pages_between_tokens(fetched, token_range.end, page)

    def scan_keys(self, space: str, token_range: TokenRange, page: int = 1000) -> Iterator[KeyPage]:
        """Yield the keys of the same rows."""
        fetched = self._fetch_range(self._table(space).key_page, token_range, page, to_key_row)
        return pages_between_tokens(fetched, token_range.end, page)

    def similar(self, space: str, search: Search, timeout: timedelta) -> Sequence[Neighbour]:
        """Return the nearest embeddings, exactly: every row is read, so the time grows with the space."""
        deadline = Deadline(timeout)
        return search_all(search, lambda page: self._scan(space, page, deadline.left), deadline)

    def count(self, space: str) -> int:
        """Return the exact number of embeddings, from an index."""
        with self._file.lend(self._limits.timeout) as connection:
            (entries,) = connection.execute(self._table(space).count, (self._clock(),)).fetchone()
        return int(entries)

    def write(self, space: str, rows: Sequence[Row]) -> None:
        """Write rows in one transaction."""
        sql, limits = self._table(space), self._limits
        with self._file.transaction(limits.timeout) as connection:
            connection.executemany(sql.write, map(to_columns, rows))
            self._purge(connection, sql, limits.rows_purged_per_write + len(rows))

    def delete(self, space: str, keys: Sequence[str], at: Micros) -> None:
        """Delete in one transaction what was written up to and including `at`."""
        sql, limits = self._table(space), self._limits
        now = self._clock()
        with self._file.transaction(limits.timeout) as connection:
            connection.executemany(sql.delete, (tombstone(key, at, now) for key in keys))
            self._purge(connection, sql, limits.rows_purged_per_write + len(keys))

    def close(self) -> None:
        """Close the file; calls in other threads that are in flight end first."""
        self._file.close()

    def _scan(self, space: str, page: int, timeout: Callable[[], timedelta]) -> Iterator[Sequence[Row]]:
        sql = self._table(space)
        with self._file.lend(timeout()) as connection:
            (last,) = connection.execute(sql.last_rowid).fetchone()
        seen = 0
        while seen < last:
            with self._file.lend(timeout()) as connection:
                found = connection.execute(sql.page, (seen, self._clock(), page)).fetchall()
            if not found:
                return
            seen = found[-1][0]
            yield [to_row(columns) for _, *columns in found]

    def _fetch_range(
        self, statement: str, token_range: TokenRange, page: int, convert: Callable[[Any], R]
    ) -> Iterator[Sequence[tuple[int, R]]]:
        after = token_range.start, LAST_TOKEN  # no rowid is greater
        fetched = page
        while fetched == page:
            with self._file.lend(self._limits.timeout) as connection:
                found = connection.execute(statement, (*after, token_range.end, self._clock(), page)).fetchall()
            yield [(token, convert(columns)) for token, _, *columns in found]
            fetched, after = len(found), found[-1][:2] if found else after

    def _table(self, space: str) -> TableSql:
        if space not in self._tables:
            self._tables[space] = TableSql.for_space(space)
        return self._tables[space]

    def _purge(self, connection: sqlite3.Connection, sql: TableSql, limit: int) -> int:
        return connection.execute(sql.purge, (self._clock() - micros(GRACE), limit)).rowcount
