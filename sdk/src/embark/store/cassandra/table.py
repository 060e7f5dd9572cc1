"""The table of a space in Cassandra: its CQL, its prepared statements, and rows to values and back.

    embeddings_<space>(key text PRIMARY KEY, vector blob, cause text, content_hash blob, written_at timestamp,
                       expires_at bigint)

Every write carries all columns under one timestamp, the row's `written_at`, so that nothing of an earlier row shines
through: a negative writes a null over the vector, an embedding an empty cause (a null would leave a tombstone with
every embedding). Rows are read back with WRITETIME, which is exact; the column `written_at` counts milliseconds and is
for people. `expires_at` (microseconds, NEVER for a row without TTL) decides whether a row has expired. Cassandra's TTL,
in whole seconds of the server's clock, ends SLACK later and frees the space.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from struct import Struct
from typing import Any, Final, Self

from cassandra import ConsistencyLevel
from cassandra.query import BoundStatement

from embark.causes import Cause
from embark.clock import Micros
from embark.names import embeddings_table
from embark.spec import Cassandra
from embark.store.cassandra.driver_internals import allow_routing_key, bind_encoded
from embark.store.rows import GRACE, Embedding, KeyRow, Negative, Present, Row, Served

NEVER: Final = 0
SLACK: Final = timedelta(minutes=1)
# Cassandra refuses a longer TTL: 20 years.
_MAX_TTL_SECONDS: Final = 20 * 365 * 24 * 60 * 60
_BIGINT: Final = Struct(">q").pack  # also of a timestamp, in milliseconds
_INT: Final = Struct(">i").pack
_SPACE: Final = re.compile(r"[0-9a-z_]{1,36}")
_COLUMNS: Final = "key, vector, cause, content_hash, expires_at, WRITETIME(vector), WRITETIME(cause)"
# Every column costs the server and the driver, which decodes it in Python; a lookup reads only those it answers with.
_LOOKUP_COLUMNS: Final = "key, vector, cause, expires_at"
# The time of a vector shows that there is one.
_KEY_COLUMNS: Final = "key, cause, expires_at, WRITETIME(vector), WRITETIME(cause)"
_CREATE: Final = """
    CREATE TABLE IF NOT EXISTS {table} (
        key text PRIMARY KEY, vector blob, cause text, content_hash blob, written_at timestamp, expires_at bigint
    ) WITH gc_grace_seconds = {grace}"""
_READ: Final = "SELECT {columns} FROM {table} WHERE {which}"
_IN_RANGE: Final = "token(key) > ? AND token(key) <= ?"
WRITE: Final = """INSERT INTO {table} ({more}key, vector, cause, content_hash, written_at, expires_at)
    VALUES ({marks}?, ?, ?, ?, ?, ?) USING TIMESTAMP ? AND TTL ?"""
_DELETE: Final = "DELETE FROM {table} USING TIMESTAMP ? WHERE key = ?"

Columns = tuple[str, bytes | None, str | None, bytes | None, int | None, Micros | None, Micros | None]
KeyColumns = tuple[str, str | None, int | None, Micros | None, Micros | None]
LookupColumns = tuple[str, bytes | None, str | None, int | None]


@dataclass(frozen=True, slots=True)
class TableCql:
    """The CQL of one space's table; the comments give the parameters."""

    create: str
    drop: str
    read_one: str  # key
    read_many: str  # list of keys
    lookup_one: str  # key
    lookup_many: str  # list of keys
    page: str  # token to start after, last token
    count_page: str  # as page
    range_page: str  # as page; the token comes before the columns
    key_page: str  # as range_page
    write: str  # write_values
    delete: str  # at, key

    @classmethod
    def for_space(cls, keyspace: str, space: str) -> Self:
        """Return the CQL of a space's table.

        Raises:
            ValueError: `space` is not the id of a space.
        """
        table = quoted_table(keyspace, space)
        grace = GRACE // timedelta(seconds=1)
        return cls(
            create=_CREATE.format(table=table, grace=grace),
            drop=f"DROP TABLE IF EXISTS {table}",
            read_one=_READ.format(columns=_COLUMNS, table=table, which="key = ?"),
            read_many=_READ.format(columns=_COLUMNS, table=table, which="key IN ?"),
            lookup_one=_READ.format(columns=_LOOKUP_COLUMNS, table=table, which="key = ?"),
            lookup_many=_READ.format(columns=_LOOKUP_COLUMNS, table=table, which="key IN ?"),
            page=_READ.format(columns=_COLUMNS, table=table, which=_IN_RANGE),
            count_page=_READ.format(columns="expires_at, WRITETIME(vector)", table=table, which=_IN_RANGE),
            range_page=_READ.format(columns=f"token(key), {_COLUMNS}", table=table, which=_IN_RANGE),
            key_page=_READ.format(columns=f"token(key), {_KEY_COLUMNS}", table=table, which=_IN_RANGE),
            write=WRITE.format(table=table, more="", marks=""),
            delete=_DELETE.format(table=table),
        )


@dataclass(frozen=True, slots=True)
class KeyStatements:
    """The prepared statements that read rows by key: one for a single key, one for a list of keys."""

    one: Any
    many: Any

    @classmethod
    def prepare(cls, session: Any, one: str, many: str, consistency: str) -> Self:
        """Prepare the statements; raises the driver's errors."""
        prepared = cls(prepare(session, one, consistency), prepare(session, many, consistency))
        allow_routing_key(prepared.many)
        return prepared

    def bind(self, keys: Sequence[str], metadata: Any, keyspace: str, size: int) -> Iterator[Any]:
        """Yield the bound statements that read `keys`, at most `size` keys in each."""
        if len(keys) == 1:
            yield bind_encoded(self.one, [keys[0].encode()])
            return
        for group in group_by_replica(metadata, keyspace, list(dict.fromkeys(keys)), size):
            yield BoundStatement(self.many, routing_key=group[0].encode()).bind((group,))


@dataclass(frozen=True, slots=True)
class Table:
    """The prepared statements of a space's table; TableCql gives their parameters."""

    session: Any
    read: KeyStatements
    lookup: KeyStatements
    page: Any
    count_page: Any
    range_page: Any
    key_page: Any
    write: Any
    delete: Any

    @classmethod
    def prepare(cls, session: Any, cassandra: Cassandra, space: str) -> Self:
        """Prepare the statements of a space; raises the driver's errors."""
        cql = TableCql.for_space(cassandra.keyspace, space)
        read, write = cassandra.consistency.read.value, cassandra.consistency.write.value
        return cls(
            session=session,
            read=KeyStatements.prepare(session, cql.read_one, cql.read_many, read),
            lookup=KeyStatements.prepare(session, cql.lookup_one, cql.lookup_many, read),
            page=prepare(session, cql.page, read),
            count_page=prepare(session, cql.count_page, read),
            # Another space is filled from what is read in ranges: it must not miss what a quorum has acknowledged.
            range_page=prepare(session, cql.range_page, write),
            key_page=prepare(session, cql.key_page, write),
            write=prepare(session, cql.write, write),
            delete=prepare(session, cql.delete, write),
        )

    def bind_write(self, row: Row, now: Micros) -> Any:
        """Return the statement that writes a row."""
        return bind_encoded(self.write, write_values(row, now))


def prepare(session: Any, cql: str, consistency: str) -> Any:
    """Return a prepared statement that may be sent twice; raises the driver's errors."""
    prepared = session.prepare(cql)
    prepared.consistency_level = ConsistencyLevel.name_to_value[consistency]
    prepared.is_idempotent = True  # each carries its own timestamp or condition
    return prepared


def group_by_replica(metadata: Any, keyspace: str, keys: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Yield the keys in groups of at most `size` with a common replica, which answers without another host."""
    by_replica: dict[Any, list[str]] = defaultdict(list)
    if len(metadata.all_hosts()) == 1:
        by_replica[None] = list(keys)
    else:
        for key in keys:
            replicas = metadata.get_replicas(keyspace, key.encode())
            by_replica[replicas[0] if replicas else None].append(key)
    for group in by_replica.values():
        for start in range(0, len(group), size):
            yield group[start : start + size]


def quoted_table(keyspace: str, space: str) -> str:
    """Return the name of a space's table in CQL.

    Raises:
        ValueError: `space` is not the id of a space.
    """
    if not _SPACE.fullmatch(space):
        raise ValueError(f"{space!r} is not the id of a space")
    return f'"{keyspace}"."{embeddings_table(space)}"'


def write_values(row: Row, now: Micros) -> list[bytes | None]:
    """Return the parameters of TableCql.write for a row written at `now`, each encoded for CQL."""
    expires_at = NEVER if row.expires_at is None else row.expires_at
    ttl = _INT(ttl_seconds(row.expires_at, now))
    times = _BIGINT(row.written_at // 1000), _BIGINT(expires_at), _BIGINT(row.written_at), ttl
    if isinstance(row, Negative):
        return [row.key.encode(), None, row.cause.to_text().encode(), b"", *times]
    return [row.key.encode(), row.vector, b"", row.content_hash, *times]


def ttl_seconds(expires_at: Micros | None, now: Micros) -> int:
    """Return the TTL of a row: at least a second, and SLACK longer than the row is valid; 0 for no TTL."""
    if expires_at is None:
        return 0
    left = timedelta(microseconds=expires_at - now) + SLACK
    return min(max(math.ceil(left / timedelta(seconds=1)), 1), _MAX_TTL_SECONDS)


def to_row(columns: Columns) -> Row | None:
    """Return the row; None if the end of its TTL, or a tie of timestamps, left neither vector nor cause."""
    key, vector, cause, content_hash, expires_at, vector_at, cause_at = columns
    if vector is not None and vector_at is not None:
        return Embedding(key, vector, vector_at, content_hash or b"", expires_at or None)
    if cause and cause_at is not None:
        return Negative(key, Cause.from_text(cause), cause_at, expires_at or NEVER)
    return None


def to_key_row(columns: KeyColumns) -> KeyRow | None:
    """Return what a scan of keys reports of the row that to_row returns."""
    key, cause, expires_at, vector_at, cause_at = columns
    if vector_at is not None:
        return Present(key, expires_at or None)
    if cause and cause_at is not None:
        return Negative(key, Cause.from_text(cause), cause_at, expires_at or NEVER)
    return None


def to_served(columns: LookupColumns, now: Micros) -> Served | None:
    """Return what a lookup needs of the row that to_row returns; None if there is none, or it expired by `now`."""
    _, vector, cause, expires_at = columns
    if vector is not None:
        return None if expires_at and expires_at <= now else (vector, expires_at or None)
    if cause and (expires_at or NEVER) > now:
        return Cause.from_text(cause), expires_at
    return None
