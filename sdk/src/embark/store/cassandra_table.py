"""A space's table in Cassandra with its statements prepared; the link makes it, the store runs them."""

from dataclasses import dataclass
from typing import Any, Self

from cassandra import ConsistencyLevel

from embark.clock import Micros
from embark.spec import Cassandra
from embark.store.cassandra_rows import Statements, write_values
from embark.store.rows import Row


@dataclass(frozen=True, slots=True)
class Table:
    """A space's table with its prepared statements; see Statements for their parameters."""

    session: Any
    read_one: Any
    read_many: Any
    lookup_one: Any
    lookup_many: Any
    page: Any
    count_page: Any
    range_page: Any
    write: Any
    delete: Any

    @classmethod
    def prepare(cls, session: Any, cassandra: Cassandra, space: str) -> Self:
        """Prepare the statements of a space; raises the driver's errors."""
        statements = Statements.of(cassandra.keyspace, space)
        read, write = cassandra.consistency.read.value, cassandra.consistency.write.value
        return cls(
            session=session,
            read_one=prepare(session, statements.read_one, read),
            read_many=_prepare_many(session, statements.read_many, read),
            lookup_one=prepare(session, statements.lookup_one, read),
            lookup_many=_prepare_many(session, statements.lookup_many, read),
            page=prepare(session, statements.page, read),
            count_page=prepare(session, statements.count_page, read),
            # Another space is filled from what is read in ranges: it must not miss what a quorum has acknowledged.
            range_page=prepare(session, statements.range_page, write),
            write=prepare(session, statements.write, write),
            delete=prepare(session, statements.delete, write),
        )

    def bind_write(self, row: Row, now: Micros) -> Any:
        """Return the statement that writes a row."""
        return self.write.bind(write_values(row, now))


def prepare(session: Any, cql: str, consistency: str) -> Any:
    """Return a prepared statement that may be sent twice; raises the driver's errors."""
    prepared = session.prepare(cql)
    prepared.consistency_level = ConsistencyLevel.name_to_value[consistency]
    prepared.is_idempotent = True  # each carries its own timestamp or condition
    return prepared


def _prepare_many(session: Any, cql: str, consistency: str) -> Any:
    prepared = prepare(session, cql, consistency)
    # The server reports no routing key for a list of keys; the store gives it with every statement.
    prepared.routing_key_indexes = [0]
    return prepared
