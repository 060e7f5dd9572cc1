"""The table of a space in Cassandra: its statements, and rows to values and back; used by the Cassandra store alone.

    embeddings_<space>(key text PRIMARY KEY, vector blob, cause text, content_hash blob, written_at timestamp,
                       expires_at bigint)

Every write carries all columns under one timestamp, the row's `written_at`, so that nothing of an earlier row shines
through: a negative writes a null over the vector, an embedding an empty cause (a null would leave a tombstone with
every embedding). Rows are read back with WRITETIME, which is exact; the column `written_at` counts milliseconds and is
for people. `expires_at` (microseconds, NEVER for a row without end) decides whether a row is over. Cassandra's TTL, of
whole seconds by the server's clock, comes later by SLACK: it frees the space.
"""

import math
import re
from dataclasses import dataclass
from datetime import timedelta
from struct import Struct
from typing import Final, Self

from embark.causes import Cause
from embark.clock import Micros
from embark.names import embeddings_table
from embark.store.rows import GRACE, Embedding, KeyRow, Negative, Present, Row, Served

NEVER: Final = 0
SLACK: Final = timedelta(minutes=1)
# Cassandra refuses a longer TTL: 20 years.
_MAX_TTL_SECONDS: Final = 20 * 365 * 24 * 60 * 60
_BIGINT: Final = Struct(">q").pack  # a timestamp too, of milliseconds
_INT: Final = Struct(">i").pack
_SPACE: Final = re.compile(r"[0-9a-z_]{1,36}")
_COLUMNS: Final = "key, vector, cause, content_hash, expires_at, WRITETIME(vector), WRITETIME(cause)"
# Every column costs the server and the driver, which decodes it in Python; a look-up gets those that it answers with.
_LOOKED_UP: Final = "key, vector, cause, expires_at"
# The time of a vector says that there is one.
_KEPT: Final = "key, cause, expires_at, WRITETIME(vector), WRITETIME(cause)"
_CREATE: Final = """
    CREATE TABLE IF NOT EXISTS {table} (
        key text PRIMARY KEY, vector blob, cause text, content_hash blob, written_at timestamp, expires_at bigint
    ) WITH gc_grace_seconds = {grace}"""
_READ: Final = "SELECT {columns} FROM {table} WHERE {which}"
_WITHIN: Final = "token(key) > ? AND token(key) <= ?"
WRITE: Final = """INSERT INTO {table} ({more}key, vector, cause, content_hash, written_at, expires_at)
    VALUES ({marks}?, ?, ?, ?, ?, ?) USING TIMESTAMP ? AND TTL ?"""
_DELETE: Final = "DELETE FROM {table} USING TIMESTAMP ? WHERE key = ?"

Columns = tuple[str, bytes | None, str | None, bytes | None, int | None, Micros | None, Micros | None]
Kept = tuple[str, str | None, int | None, Micros | None, Micros | None]
LookedUp = tuple[str, bytes | None, str | None, int | None]


@dataclass(frozen=True, slots=True)
class Statements:
    """The CQL of one space's table; the comments give the parameters."""

    create: str
    drop: str
    read_one: str  # key
    read_many: str  # list of keys
    lookup_one: str  # key
    lookup_many: str  # list of keys
    page: str  # token to begin after, last token
    count_page: str  # as page
    range_page: str  # as page; the token comes before the columns
    key_page: str  # as range_page
    write: str  # write_values
    delete: str  # at, key

    @classmethod
    def of(cls, keyspace: str, space: str) -> Self:
        """Return the statements of a space; raises as table_of."""
        table = table_of(keyspace, space)
        grace = GRACE // timedelta(seconds=1)
        return cls(
            create=_CREATE.format(table=table, grace=grace),
            drop=f"DROP TABLE IF EXISTS {table}",
            read_one=_READ.format(columns=_COLUMNS, table=table, which="key = ?"),
            read_many=_READ.format(columns=_COLUMNS, table=table, which="key IN ?"),
            lookup_one=_READ.format(columns=_LOOKED_UP, table=table, which="key = ?"),
            lookup_many=_READ.format(columns=_LOOKED_UP, table=table, which="key IN ?"),
            page=_READ.format(columns=_COLUMNS, table=table, which=_WITHIN),
            count_page=_READ.format(columns="expires_at, WRITETIME(vector)", table=table, which=_WITHIN),
            range_page=_READ.format(columns=f"token(key), {_COLUMNS}", table=table, which=_WITHIN),
            key_page=_READ.format(columns=f"token(key), {_KEPT}", table=table, which=_WITHIN),
            write=WRITE.format(table=table, more="", marks=""),
            delete=_DELETE.format(table=table),
        )


def table_of(keyspace: str, space: str) -> str:
    """Return the table of a space, as CQL names it.

    Raises:
        ValueError: `space` cannot be part of a table's name.
    """
    if not _SPACE.fullmatch(space):
        raise ValueError(f"{space!r} is not the id of a space")
    return f'"{keyspace}"."{embeddings_table(space)}"'


def write_values(row: Row, now: Micros) -> list[bytes | None]:
    """Return what Statements.write takes for a row that is written at `now`, each value as CQL encodes it."""
    expires_at = NEVER if row.expires_at is None else row.expires_at
    ttl = _INT(ttl_seconds(row.expires_at, now))
    ends = _BIGINT(row.written_at // 1000), _BIGINT(expires_at), _BIGINT(row.written_at), ttl
    if isinstance(row, Negative):
        return [row.key.encode(), None, row.cause.to_text().encode(), b"", *ends]
    return [row.key.encode(), row.vector, b"", row.content_hash, *ends]


def ttl_seconds(expires_at: Micros | None, now: Micros) -> int:
    """Return the TTL of a row, SLACK after its end and at least a second; 0 says for ever."""
    if expires_at is None:
        return 0
    left = timedelta(microseconds=expires_at - now) + SLACK
    return min(max(math.ceil(left / timedelta(seconds=1)), 1), _MAX_TTL_SECONDS)


def of_columns(columns: Columns) -> Row | None:
    """Return the row, or None for one of which the end of its TTL or a tie of timestamps left neither half."""
    key, vector, cause, content_hash, expires_at, vector_at, cause_at = columns
    if vector is not None and vector_at is not None:
        return Embedding(key, vector, vector_at, content_hash or b"", expires_at or None)
    if cause and cause_at is not None:
        return Negative(key, Cause.from_text(cause), cause_at, expires_at or NEVER)
    return None


def key_row_of(columns: Kept) -> KeyRow | None:
    """Return what is known of the key of the row that of_columns returns."""
    key, cause, expires_at, vector_at, cause_at = columns
    if vector_at is not None:
        return Present(key, expires_at or None)
    if cause and cause_at is not None:
        return Negative(key, Cause.from_text(cause), cause_at, expires_at or NEVER)
    return None


def served_of(columns: LookedUp, now: Micros) -> Served | None:
    """Return what a look-up needs of the row that of_columns returns; None where it is none, or over at `now`."""
    _, vector, cause, expires_at = columns
    if vector is not None:
        return None if expires_at and expires_at <= now else (vector, expires_at or None)
    if cause and (expires_at or NEVER) > now:
        return Cause.from_text(cause), expires_at
    return None
