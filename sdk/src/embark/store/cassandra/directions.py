"""The column that a space's vector index in Cassandra is over: its statements, prepared; the Cassandra store uses it.

    direction vector<float, dimension>, with an SAI index, in the space's table

It holds the direction of the row's embedding: the vector scaled to unit length, in float32 whatever the space's dtype.
So the dot product of two is their cosine, and every value is one that the index takes: Cassandra 5 refuses to write a
zero vector or a large number into an index, and a search by cosine that meets a vector so short that its length
underflows to zero never ends. A vector without a direction, and a negative, leave the column null.

The index proposes keys alone; the rows are then read as a look-up reads them. So no row is a neighbour that a look-up
would not find, and replicas that the index's own consistency (always that of one replica) does not know are asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from cassandra.cqltypes import BytesType

from embark.clock import Micros
from embark.names import embeddings_table
from embark.space import VectorForm
from embark.spec import Cassandra, DType
from embark.store.cassandra.rows import WRITE, table_of, ttl_seconds, write_values
from embark.store.cassandra.table import bind_encoded, prepare
from embark.store.neighbours import directions
from embark.store.rows import Embedding, Row

# Of an index over vectors of float; its limit of a term is 32 KiB.
DIMENSIONS: Final = range(2, 8193)
_ADD: Final = "ALTER TABLE {table} ADD IF NOT EXISTS direction vector<float, {dimension}>"
_CREATE: Final = (
    "CREATE CUSTOM INDEX IF NOT EXISTS \"{index}\" ON {table} (direction) USING 'StorageAttachedIndex'"
    " WITH OPTIONS = {{'similarity_function': 'DOT_PRODUCT'}}"
)
_DROP: Final = 'DROP INDEX IF EXISTS "{keyspace}"."{index}"'
_FILL: Final = "UPDATE {table} USING TIMESTAMP ? AND TTL ? SET direction = ? WHERE key = ?"
_NEAREST: Final = "SELECT key FROM {table} ORDER BY direction ANN OF ? LIMIT ?"


def index_of(space: str) -> str:
    """Return the name of a space's index, which is the keyspace's only one of this name."""
    return f"{embeddings_table(space)}_direction"


def add_column(keyspace: str, space: str, dimension: int) -> str:
    """Return the CQL that adds the column; ValueError as table_of."""
    return _ADD.format(table=table_of(keyspace, space), dimension=dimension)


def create_index(keyspace: str, space: str) -> str:
    """Return the CQL that makes the index; ValueError as table_of."""
    return _CREATE.format(table=table_of(keyspace, space), index=index_of(space))


def drop_index(keyspace: str, space: str) -> str:
    """Return the CQL that drops the index; ValueError as table_of."""
    table_of(keyspace, space)
    return _DROP.format(keyspace=keyspace, index=index_of(space))


@dataclass(frozen=True, slots=True)
class DirectedTable:
    """The statements that write directions; preparing them fails while the table has no such column."""

    session: Any
    dimension: int
    write: Any  # direction, write_values
    fill: Any  # written_at, TTL, direction, key

    @classmethod
    def prepare(cls, session: Any, cassandra: Cassandra, space: str) -> Self:
        """Prepare the statements of a space; raises the driver's errors."""
        table, consistency = table_of(cassandra.keyspace, space), cassandra.consistency.write.value
        write = prepare(session, WRITE.format(table=table, more="direction, ", marks="?, "), consistency)
        fill = prepare(session, _FILL.format(table=table), consistency)
        dimension = write.column_metadata[0].type.vector_size
        _take_bytes(fill, 2)
        return cls(session, dimension, write, fill)

    def bind_write(self, row: Row, now: Micros) -> Any:
        """Return the statement that writes a row with its direction."""
        return bind_encoded(self.write, [self._direction(row), *write_values(row, now)])

    def bind_fills(self, rows: Sequence[Row], now: Micros) -> list[Any]:
        """Return the statements that give the embeddings among rows that are there their directions.

        An UPDATE of the one column makes no row, so a row that was deleted meanwhile stays away.
        """
        return [
            self.fill.bind((row.written_at, ttl_seconds(row.expires_at, now), self._direction(row), row.key))
            for row in rows
            if isinstance(row, Embedding)
        ]

    def _direction(self, row: Row) -> bytes | None:
        """Return the column's value; the vector's length says which dtype it is of."""
        if not isinstance(row, Embedding):
            return None
        forms = (VectorForm(self.dimension, dtype) for dtype in DType)
        form = next((form for form in forms if form.nbytes == len(row.vector)), None)
        return None if form is None else direction_bytes(row.vector, form)


@dataclass(frozen=True, slots=True)
class IndexedTable:
    """The statement that asks the index; preparing it fails while there is none."""

    session: Any
    nearest: Any  # direction, limit

    @classmethod
    def prepare(cls, session: Any, cassandra: Cassandra, space: str) -> Self:
        """Prepare the statement of a space; raises the driver's errors."""
        # Cassandra answers a search with no other consistency than that of one replica of each range.
        nearest = prepare(session, _NEAREST.format(table=table_of(cassandra.keyspace, space)), "LOCAL_ONE")
        _take_bytes(nearest, 0)
        return cls(session, nearest)


def direction_bytes(vector: bytes, form: VectorForm) -> bytes | None:
    """Return the direction of a vector of `form` as CQL has it, big-endian float32; None where it has none."""
    direction = directions([vector], form)[0]
    return direction.astype(">f4").tobytes() if direction.any() else None


def _take_bytes(prepared: Any, index: int) -> None:
    """Let a parameter of a vector's type be bound as the bytes that travel; the driver packs them one by one."""
    columns = prepared.column_metadata
    columns[index] = columns[index]._replace(type=BytesType)
