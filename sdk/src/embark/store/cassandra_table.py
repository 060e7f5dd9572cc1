"""A space's table in Cassandra with its statements prepared; the link makes it, the store runs them."""

from dataclasses import dataclass
from typing import Any, Self

from cassandra import ConsistencyLevel

from embark.spec import Cassandra
from embark.store.cassandra_rows import Statements


@dataclass(frozen=True, slots=True)
class Table:
    """A space's table with its prepared statements; see Statements for their parameters."""

    session: Any
    read_one: Any
    read_many: Any
    page: Any
    count_page: Any
    write: Any
    delete: Any

    @classmethod
    def prepare(cls, session: Any, cassandra: Cassandra, space: str) -> Self:
        """Prepare the statements of a space; raises the driver's errors."""
        statements = Statements.of(cassandra.keyspace, space)
        read, write = cassandra.consistency.read.value, cassandra.consistency.write.value
        read_many = _prepare(session, statements.read_many, read)
        # The server reports no routing key for a list of keys; the store gives it with every statement.
        read_many.routing_key_indexes = [0]
        return cls(
            session=session,
            read_one=_prepare(session, statements.read_one, read),
            read_many=read_many,
            page=_prepare(session, statements.page, read),
            count_page=_prepare(session, statements.count_page, read),
            write=_prepare(session, statements.write, write),
            delete=_prepare(session, statements.delete, write),
        )


def _prepare(session: Any, cql: str, consistency: str) -> Any:
    prepared = session.prepare(cql)
    prepared.consistency_level = ConsistencyLevel.name_to_value[consistency]
    prepared.is_idempotent = True  # each carries its own timestamp
    return prepared
