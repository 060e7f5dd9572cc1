"""A space's table in Cassandra with its statements prepared; the link makes it, the store runs them."""

from dataclasses import dataclass
from typing import Any, Self

from cassandra import ConsistencyLevel
from cassandra.query import BoundStatement

from embark.clock import Micros
from embark.spec import Cassandra
from embark.store.cassandra.rows import Statements, write_values
from embark.store.rows import Row


@dataclass(frozen=True, slots=True)
class KeyStatements:
    """The prepared statements that ask for rows by key: for one key, and for a list of keys."""

    one: Any
    many: Any

    @classmethod
    def prepare(cls, session: Any, one: str, many: str, consistency: str) -> Self:
        """Prepare the statements; raises the driver's errors."""
        prepared = cls(prepare(session, one, consistency), prepare(session, many, consistency))
        # The server reports no routing key for a list of keys; the store gives it with every statement.
        prepared.many.routing_key_indexes = [0]
        return prepared


@dataclass(frozen=True, slots=True)
class Table:
    """A space's table with its prepared statements; see Statements for their parameters."""

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
        statements = Statements.of(cassandra.keyspace, space)
        read, write = cassandra.consistency.read.value, cassandra.consistency.write.value
        return cls(
            session=session,
            read=KeyStatements.prepare(session, statements.read_one, statements.read_many, read),
            lookup=KeyStatements.prepare(session, statements.lookup_one, statements.lookup_many, read),
            page=prepare(session, statements.page, read),
            count_page=prepare(session, statements.count_page, read),
            # Another space is filled from what is read in ranges: it must not miss what a quorum has acknowledged.
            range_page=prepare(session, statements.range_page, write),
            key_page=prepare(session, statements.key_page, write),
            write=prepare(session, statements.write, write),
            delete=prepare(session, statements.delete, write),
        )

    def bind_write(self, row: Row, now: Micros) -> Any:
        """Return the statement that writes a row."""
        return bind_encoded(self.write, write_values(row, now))


def bind_encoded(prepared: Any, values: list[bytes | None]) -> BoundStatement:
    """Return a prepared statement with values that are encoded already: bind() takes seven times as long for a row."""
    statement = BoundStatement(prepared)
    statement.values = values
    return statement


def prepare(session: Any, cql: str, consistency: str) -> Any:
    """Return a prepared statement that may be sent twice; raises the driver's errors."""
    prepared = session.prepare(cql)
    prepared.consistency_level = ConsistencyLevel.name_to_value[consistency]
    prepared.is_idempotent = True  # each carries its own timestamp or condition
    return prepared
