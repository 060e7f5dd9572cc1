"""The table of a space in SQLite: its SQL, its tokens, and rows to columns and back.

A delete is a row with neither cause nor vector (a tombstone), which rejects an earlier write that arrives later. Its
`expires_at` is when it arrived: expired rows and tombstones are then purged by one rule, GRACE later.
"""

import re
import sqlite3
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self

from embark.causes import Cause
from embark.clock import Micros
from embark.names import embeddings_table
from embark.sqlite_file import SqliteFile
from embark.store.ranges import to_token
from embark.store.rows import Embedding, KeyRow, Negative, Present, Row

Columns = tuple[str, str | None, bytes | None, Micros, Micros | None, bytes | None]
KeyColumns = tuple[str, str | None, Micros, Micros | None, int]
WrittenColumns = tuple[int, str, str | None, bytes | None, Micros, Micros | None, bytes | None]

_SPACE: Final = re.compile(r"[0-9A-Za-z_]{1,64}")
# The vector comes last, so that reading the other columns does not skip over it.
_COLUMNS: Final = "key, cause, content_hash, written_at, expires_at, vector"
_ALIVE: Final = "(vector IS NOT NULL OR cause IS NOT NULL) AND (expires_at IS NULL OR expires_at > ?)"
_UPSERT: Final = f"""
    INSERT INTO {{table}} AS old (token, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (key) DO UPDATE SET
        cause = excluded.cause, content_hash = excluded.content_hash, written_at = excluded.written_at,
        expires_at = excluded.expires_at, vector = excluded.vector
    WHERE excluded.written_at > old.written_at OR excluded.written_at = old.written_at"""  # noqa: S608 - no input
_CREATE: Final = (
    """CREATE TABLE IF NOT EXISTS {table} (
        key TEXT PRIMARY KEY NOT NULL, token INTEGER, cause TEXT, content_hash BLOB, written_at INTEGER NOT NULL,
        expires_at INTEGER, vector BLOB)""",
    "CREATE INDEX IF NOT EXISTS {table}_entries ON {table} (expires_at) WHERE vector IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS {table}_expiring ON {table} (expires_at) WHERE expires_at IS NOT NULL",
)
_READ_ONE: Final = f"SELECT {_COLUMNS} FROM {{table}} WHERE key = ? AND {_ALIVE}"  # noqa: S608 - no input
# CROSS JOIN keeps the order of the loops: the table is searched once for each requested key, and never scanned.
_READ_MANY: Final = f"""
    SELECT {_COLUMNS.replace("key", "{table}.key")}
    FROM json_each(?) AS requested CROSS JOIN {{table}} ON {{table}}.key = requested.value WHERE {_ALIVE}"""  # noqa: S608 - no input
_PAGE: Final = f"""
    SELECT rowid, {_COLUMNS} FROM {{table}} WHERE rowid > ? AND {_ALIVE} ORDER BY rowid LIMIT ?"""  # noqa: S608 - no input
_KEY_COLUMNS: Final = "key, cause, written_at, expires_at, vector IS NOT NULL"
# The index of tokens also holds rowids, in order: a page starts in it where the one before ended.
_RANGE_PAGE: Final = f"""
    SELECT token, rowid, {{columns}} FROM {{table}} WHERE (token, rowid) > (?, ?) AND token <= ? AND {_ALIVE}
    ORDER BY token, rowid LIMIT ?"""  # noqa: S608 - no input
_COUNT: Final = """
    SELECT (SELECT count(*) FROM {table} INDEXED BY {table}_entries WHERE vector IS NOT NULL AND expires_at IS NULL)
         + (SELECT count(*) FROM {table} INDEXED BY {table}_entries WHERE vector IS NOT NULL AND expires_at > ?)"""
_PURGE: Final = """
    DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)"""


@dataclass(frozen=True, slots=True)
class TableSql:
    """The SQL of one space's table; the comments give the parameters."""

    create: tuple[str, ...]
    read_one: str  # key, now
    read_many: str  # JSON array of keys, now
    page: str  # rowid to start after, now, limit
    last_rowid: str
    range_page: str  # token and rowid to start after, last token, now, limit
    key_page: str  # as range_page
    count: str  # now
    write: str  # WrittenColumns
    delete: str  # WrittenColumns
    purge: str  # latest expires_at to purge, limit
    exists: str
    empty: str  # limit
    drop: str

    @classmethod
    def for_space(cls, space: str) -> Self:
        """Return the SQL of a space's table.

        Raises:
            ValueError: `space` is not the id of a space.
        """
        if not _SPACE.fullmatch(space):
            raise ValueError(f"{space!r} is not the id of a space")
        table = embeddings_table(space)
        return cls(
            create=tuple(statement.format(table=table) for statement in _CREATE),
            read_one=_READ_ONE.format(table=table),
            read_many=_READ_MANY.format(table=table),
            page=_PAGE.format(table=table),
            last_rowid=f"SELECT coalesce(max(rowid), 0) FROM {table}",  # noqa: S608 - checked above
            range_page=_RANGE_PAGE.format(table=table, columns=_COLUMNS),
            key_page=_RANGE_PAGE.format(table=table, columns=_KEY_COLUMNS),
            count=_COUNT.format(table=table),
            write=f"{_UPSERT.format(table=table)} AND (old.vector IS NOT NULL OR old.cause IS NOT NULL)",
            delete=_UPSERT.format(table=table),
            purge=_PURGE.format(table=table),
            exists=f"SELECT count(*) FROM sqlite_master WHERE name = '{table}'",  # noqa: S608 - checked above
            empty=f"DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} LIMIT ?)",  # noqa: S608 - checked above
            drop=f"DROP TABLE IF EXISTS {table}",
        )

    def delete_rows(self, connection: sqlite3.Connection, limit: int) -> int:
        """Delete at most `limit` rows and return how many; 0 if there is no table."""
        if connection.execute(self.exists).fetchone() == (0,):
            return 0
        return connection.execute(self.empty, (limit,)).rowcount


def ensure_tokens(file: SqliteFile, space: str, timeout: timedelta, batch: int) -> None:
    """Add the tokens, by which ranges are scanned, to a table from a release without ranges; `batch` rows at a time.

    Once it returns, no row lacks its token.
    """
    table = embeddings_table(space)
    with file.transaction(timeout) as connection:
        has_tokens = "SELECT count(*) FROM pragma_table_info(?) WHERE name = 'token'"
        if connection.execute(has_tokens, (table,)).fetchone() == (0,):
            connection.execute(f"ALTER TABLE {table} ADD COLUMN token INTEGER")
        connection.execute(f"CREATE INDEX IF NOT EXISTS {table}_tokens ON {table} (token)")
    lacking = f"SELECT rowid, key FROM {table} WHERE token IS NULL LIMIT ?"  # noqa: S608 - a table's name
    update = f"UPDATE {table} SET token = ? WHERE rowid = ?"  # noqa: S608 - a table's name

    def fill(connection: sqlite3.Connection, limit: int) -> int:
        found = connection.execute(lacking, (limit,)).fetchall()
        connection.executemany(update, [(to_token(key), rowid) for rowid, key in found])
        return len(found)

    file.change_in_batches(fill, batch, timeout)


def to_columns(row: Row) -> WrittenColumns:
    """Return the columns of a row."""
    token = to_token(row.key)
    if isinstance(row, Negative):
        return token, row.key, row.cause.to_text(), None, row.written_at, row.expires_at, None
    return token, row.key, None, row.content_hash, row.written_at, row.expires_at, row.vector


def tombstone(key: str, at: Micros, now: Micros) -> WrittenColumns:
    """Return the columns of a delete at `at` that arrived at `now`."""
    return to_token(key), key, None, None, at, now, None


def to_row(columns: Columns) -> Row:
    """Return the row of columns that are not a tombstone's."""
    key, cause, content_hash, written_at, expires_at, vector = columns
    if vector is not None:
        return Embedding(key, vector, written_at, content_hash or b"", expires_at)
    return Negative(key, Cause.from_text(cause or ""), written_at, expires_at or 0)


def to_key_row(columns: KeyColumns) -> KeyRow:
    """Return what a scan of keys reports of columns that are not a tombstone's."""
    key, cause, written_at, expires_at, has_vector = columns
    if has_vector:
        return Present(key, expires_at)
    return Negative(key, Cause.from_text(cause or ""), written_at, expires_at or 0)
