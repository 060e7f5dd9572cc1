"""The vector index of the Cassandra store: created, filled, dropped and searched.

    direction vector<float, dimension>, with an SAI index, in the space's table

The column holds the direction of the row's embedding: the vector scaled to unit length, in float32 for every dtype.
So the dot product of two is their cosine, and the index accepts every value: Cassandra 5 refuses to write a zero vector
or a large number into an index, and a search by cosine never ends when it meets a vector so short that its length
underflows to zero. A vector without a direction, and a negative, leave the column null.

The index only proposes keys, whose rows are then read as a lookup reads them. So no row is a neighbour that a lookup
would not find, although the index is always read with the consistency of one replica.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Self

from embark.clock import Clock, Micros
from embark.errors import InvalidSpecError
from embark.names import embeddings_table
from embark.space import VectorForm
from embark.spec import Cassandra, DType
from embark.store.cassandra.connection import CassandraConnection
from embark.store.cassandra.driver_internals import bind_as_bytes, bind_encoded, vector_dimension
from embark.store.cassandra.errors import unavailable_on_failure
from embark.store.cassandra.schema import execute_schema
from embark.store.cassandra.table import WRITE, prepare, quoted_table, ttl_seconds, write_values
from embark.store.neighbours import Deadline, Neighbour, Ranking, Search, directions
from embark.store.ranges import Page
from embark.store.rows import Embedding, Row

Read = Callable[[str, Sequence[str], timedelta], dict[str, Row]]

# Of an index over vectors of float; its limit of a term is 32 KiB.
DIMENSIONS: Final = range(2, 8193)
# Cassandra answers a search with at most this many rows.
_MAX_PROPOSED: Final = 1000
# A search that found too few rows proposes this many times as many keys.
_GROWTH: Final = 4
_LOG_EVERY_ROWS: Final = 10_000
_ADD: Final = "ALTER TABLE {table} ADD IF NOT EXISTS direction vector<float, {dimension}>"
_CREATE: Final = (
    "CREATE CUSTOM INDEX IF NOT EXISTS \"{index}\" ON {table} (direction) USING 'StorageAttachedIndex'"
    " WITH OPTIONS = {{'similarity_function': 'DOT_PRODUCT'}}"
)
_DROP: Final = 'DROP INDEX IF EXISTS "{keyspace}"."{index}"'
_FILL: Final = "UPDATE {table} USING TIMESTAMP ? AND TTL ? SET direction = ? WHERE key = ?"
_NEAREST: Final = "SELECT key FROM {table} ORDER BY direction ANN OF ? LIMIT ?"
_HAS_INDEX: Final = (
    "SELECT index_name FROM system_schema.indexes WHERE keyspace_name = %s AND table_name = %s AND index_name = %s"
)


@dataclass(frozen=True, slots=True)
class DirectedTable:
    """The statements that write directions; preparing them fails while the table lacks the column."""

    session: Any
    dimension: int
    write: Any  # direction, write_values
    fill: Any  # written_at, TTL, direction, key

    @classmethod
    def prepare(cls, session: Any, cassandra: Cassandra, space: str) -> Self:
        """Prepare the statements of a space; raises the driver's errors."""
        table, consistency = quoted_table(cassandra.keyspace, space), cassandra.consistency.write.value
        write = prepare(session, WRITE.format(table=table, more="direction, ", marks="?, "), consistency)
        fill = prepare(session, _FILL.format(table=table), consistency)
        bind_as_bytes(fill, 2)
        return cls(session, vector_dimension(write, 0), write, fill)

    def bind_write(self, row: Row, now: Micros) -> Any:
        """Return the statement that writes a row with its direction."""
        return bind_encoded(self.write, [self._direction(row), *write_values(row, now)])

    def bind_fills(self, rows: Sequence[Row], now: Micros) -> list[Any]:
        """Return the statements that add the directions of the embeddings among stored rows.

        An UPDATE of only this column creates no row, so a row that was deleted since stays deleted.
        """
        return [
            self.fill.bind((row.written_at, ttl_seconds(row.expires_at, now), self._direction(row), row.key))
            for row in rows
            if isinstance(row, Embedding)
        ]

    def _direction(self, row: Row) -> bytes | None:
        """Return the column's value; the length of the vector shows its dtype."""
        if not isinstance(row, Embedding):
            return None
        forms = (VectorForm(self.dimension, dtype) for dtype in DType)
        form = next((form for form in forms if form.nbytes == len(row.vector)), None)
        return None if form is None else direction_bytes(row.vector, form)


@dataclass(frozen=True, slots=True)
class IndexedTable:
    """The statement that searches the index; preparing it fails while there is no index."""

    session: Any
    nearest: Any  # direction, limit

    @classmethod
    def prepare(cls, session: Any, cassandra: Cassandra, space: str) -> Self:
        """Prepare the statement of a space; raises the driver's errors."""
        # Cassandra serves a search only with the consistency of one replica of each range.
        nearest = prepare(session, _NEAREST.format(table=quoted_table(cassandra.keyspace, space)), "LOCAL_ONE")
        bind_as_bytes(nearest, 0)
        return cls(session, nearest)


class CassandraSearch:
    """The vector indexes of the keyspace of `cassandra`; thread-safe."""

    def __init__(
        self,
        cassandra: Cassandra,
        connection: CassandraConnection,
        clock: Clock,
        timeout: timedelta,
    ) -> None:
        self._cassandra = cassandra
        self._connection = connection
        self._clock = clock
        self._timeout = timeout
        self._log = logging.getLogger(__name__)

    def similar(self, space: str, search: Search, timeout: timedelta, read: Read) -> Sequence[Neighbour]:
        """Return the nearest of the rows that `read` finds for the keys that the index proposes.

        Expired rows are proposed until Cassandra frees them; the search then continues with more keys.
        """
        deadline, limit = Deadline(timeout), search.k + 1
        direction = direction_bytes(search.vector, search.form)
        if direction is None:
            return []
        while True:
            table, left = self._connection.prepared(IndexedTable, space, deadline.left())
            [found] = self._connection.requests.run(table.session, [table.nearest.bind((direction, limit))], left)
            keys = [key for (key,) in found]
            ranking = Ranking(search)
            ranking.add(list(read(space, keys, deadline.left()).values()))
            if len(ranking.best) == search.k or len(keys) < limit or limit == _MAX_PROPOSED:
                return ranking.best
            limit = min(_GROWTH * limit, _MAX_PROPOSED)

    def ensure(self, session: Any, space: str, dimension: int, pages: Iterable[Page]) -> None:
        """Create the index if the spec enables it and it is missing; drop it if the spec does not enable it.

        The stored rows, `pages`, get their directions before the index is created: a present index is complete.
        Writes without vectorSearch carry no direction, so an index must not outlive the setting. The column stays:
        Cassandra would hold the time of its drop against directions that are written later with the times of their
        rows.

        Raises:
            InvalidSpecError: vectors of this dimension cannot be indexed.
            UnavailableError: Cassandra does not answer, or its hosts do not agree.
        """
        keyspace = self._cassandra.keyspace
        exists = self._has_index(session, space)
        if not self._cassandra.vector_search:
            if exists:
                execute_schema(session, self._cassandra, [_drop_index(keyspace, space)])
            return
        if dimension not in DIMENSIONS:
            raise InvalidSpecError(
                "spec.store.cassandra.vectorSearch",
                f"the space {space} has vectors of {dimension} elements; Cassandra indexes those of "
                f"{DIMENSIONS.start} to {DIMENSIONS.stop - 1}",
            )
        if exists:
            return
        execute_schema(session, self._cassandra, [_add_column(keyspace, space, dimension)])
        self._connection.forget(space)
        self._fill(space, pages)
        execute_schema(session, self._cassandra, [_create_index(keyspace, space)])

    def _fill(self, space: str, pages: Iterable[Page]) -> None:
        filled = logged = 0
        for page in pages:
            table, left = self._connection.prepared(DirectedTable, space, self._timeout)
            fills = table.bind_fills(page.rows, self._clock())
            self._connection.requests.run(table.session, fills, left)
            filled += len(fills)
            if filled >= logged + _LOG_EVERY_ROWS:
                logged = filled
                self._log.info("added the directions of %d rows", filled, extra={"space": space})

    def _has_index(self, session: Any, space: str) -> bool:
        wanted = self._cassandra.keyspace, embeddings_table(space), _index_name(space)
        with unavailable_on_failure():
            return bool(session.execute(_HAS_INDEX, wanted).current_rows)


def direction_bytes(vector: bytes, form: VectorForm) -> bytes | None:
    """Return the direction of a vector of `form` encoded for CQL, big-endian float32; None if it has no direction."""
    direction = directions([vector], form)[0]
    return direction.astype(">f4").tobytes() if direction.any() else None


def _index_name(space: str) -> str:
    return f"{embeddings_table(space)}_direction"


def _add_column(keyspace: str, space: str, dimension: int) -> str:
    return _ADD.format(table=quoted_table(keyspace, space), dimension=dimension)


def _create_index(keyspace: str, space: str) -> str:
    return _CREATE.format(table=quoted_table(keyspace, space), index=_index_name(space))


def _drop_index(keyspace: str, space: str) -> str:
    quoted_table(keyspace, space)  # checks the space
    return _DROP.format(keyspace=keyspace, index=_index_name(space))
