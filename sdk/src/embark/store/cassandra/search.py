"""The vector index of the Cassandra store: made, filled and dropped for the schema command, asked for neighbours."""

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any, Final

from embark.clock import Clock
from embark.errors import InvalidSpecError
from embark.names import embeddings_table
from embark.spec import Cassandra
from embark.store.cassandra.directions import (
    DIMENSIONS,
    DirectedTable,
    IndexedTable,
    add_column,
    create_index,
    direction_bytes,
    drop_index,
    index_of,
)
from embark.store.cassandra.errors import unavailable_on_failure
from embark.store.cassandra.link import CassandraLink
from embark.store.cassandra.requests import CassandraRequests
from embark.store.cassandra.schema import carry_out
from embark.store.neighbours import Deadline, Neighbour, Ranking, Search
from embark.store.ranges import Page
from embark.store.rows import Row

Read = Callable[[str, Sequence[str], timedelta], dict[str, Row]]

# Cassandra answers a search of no more rows.
_MOST: Final = 1000
_MORE: Final = 4
_HAS_INDEX: Final = (
    "SELECT index_name FROM system_schema.indexes WHERE keyspace_name = %s AND table_name = %s AND index_name = %s"
)
_TOLD_EVERY: Final = 10_000


class CassandraSearch:
    """The indexes of the keyspace of `cassandra`; thread-safe."""

    def __init__(
        self,
        cassandra: Cassandra,
        link: CassandraLink,
        requests: CassandraRequests,
        clock: Clock,
        patience: timedelta,
    ) -> None:
        self._cassandra = cassandra
        self._link = link
        self._requests = requests
        self._clock = clock
        self._patience = patience
        self._log = logging.getLogger(__name__)

    def similar(self, space: str, search: Search, timeout: timedelta, read: Read) -> Sequence[Neighbour]:
        """Return the nearest of the rows that `read` finds for the keys that the index proposes.

        Rows whose time is over are proposed until Cassandra frees them; then more keys are asked for.
        """
        deadline, limit = Deadline(timeout), search.k + 1
        direction = direction_bytes(search.vector, search.form)
        if direction is None:
            return []
        while True:
            table, left = self._link.prepared(IndexedTable, space, deadline.left())
            [found] = self._requests.run(table.session, [table.nearest.bind((direction, limit))], left)
            keys = [key for (key,) in found]
            ranking = Ranking(search)
            ranking.add(list(read(space, keys, deadline.left()).values()))
            if len(ranking.best) == search.k or len(keys) < limit or limit == _MOST:
                return ranking.best
            limit = min(_MORE * limit, _MOST)

    def ensure(self, session: Any, space: str, dimension: int, pages: Iterable[Page]) -> None:
        """Make the index where the spec asks for one and it is not there yet, and drop it where it does not.

        The rows that are there, `pages`, get their directions before the index is made: where it is, they have them.
        Writes without vectorSearch carry none, so an index must not outlive it. The column does: Cassandra would hold
        the time of its drop against directions that are written again with the times of their rows.

        Raises:
            InvalidSpecError: vectors of this dimension cannot be indexed.
            UnavailableError: Cassandra does not answer, or its hosts do not agree.
        """
        keyspace = self._cassandra.keyspace
        there = self._has_index(session, space)
        if not self._cassandra.vector_search:
            if there:
                carry_out(session, self._cassandra, [drop_index(keyspace, space)])
            return
        if dimension not in DIMENSIONS:
            raise InvalidSpecError(
                "spec.store.cassandra.vectorSearch",
                f"the space {space} has vectors of {dimension} elements; Cassandra indexes those of "
                f"{DIMENSIONS.start} to {DIMENSIONS.stop - 1}",
            )
        if there:
            return
        carry_out(session, self._cassandra, [add_column(keyspace, space, dimension)])
        self._link.forget(space)
        self._fill(space, pages)
        carry_out(session, self._cassandra, [create_index(keyspace, space)])

    def _fill(self, space: str, pages: Iterable[Page]) -> None:
        filled = told = 0
        for page in pages:
            table, left = self._link.prepared(DirectedTable, space, self._patience)
            fills = table.bind_fills(page.rows, self._clock())
            self._requests.run(table.session, fills, left)
            filled += len(fills)
            if filled >= told + _TOLD_EVERY:
                told = filled
                self._log.info("%d rows have their directions", filled, extra={"space": space})

    def _has_index(self, session: Any, space: str) -> bool:
        asked = self._cassandra.keyspace, embeddings_table(space), index_of(space)
        with unavailable_on_failure():
            return bool(session.execute(_HAS_INDEX, asked).current_rows)
