"""The store in Cassandra, behind EmbArk and KFC wherever they run as services."""

import ssl
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from itertools import chain
from typing import Any, Final

from cassandra.query import BoundStatement

from embark.clock import Clock, Micros
from embark.settings import StoreSettings
from embark.store.cassandra.access import CredentialsSource
from embark.store.cassandra.count import estimate_partitions
from embark.store.cassandra.directions import DirectedTable
from embark.store.cassandra.errors import unavailable_on_failure
from embark.store.cassandra.link import CassandraLink
from embark.store.cassandra.progress import CassandraCheckpoints
from embark.store.cassandra.requests import CassandraRequests
from embark.store.cassandra.ring import WHOLE_RING, groups_by_replica, token_ranges
from embark.store.cassandra.rows import key_row_of, of_columns, served_of
from embark.store.cassandra.schema import drop_keyspace, drop_table, ensure_schema, has_progress, spaces_of
from embark.store.cassandra.search import CassandraSearch
from embark.store.cassandra.table import KeyStatements, Table, bind_encoded
from embark.store.neighbours import Neighbour, Search
from embark.store.ranges import KeyPage, Page, TokenRange, pages_between_tokens, pages_of
from embark.store.rows import Row, Served, expired

# For what no look-up waits for: a write or delete, a page of a scan, a count.
_PATIENCE: Final = timedelta(seconds=10)
# For what the commands of Jobs do to the schema: one may wait for a server that has just been started.
_CONNECT_PATIENCE: Final = timedelta(seconds=30)
# One request for many keys costs the client little more than one for a single key; the server reads them in parallel.
_KEYS_A_REQUEST: Final = 32
_FILLED_A_PAGE: Final = 500
_COUNTED_A_PAGE: Final = 5_000
# A larger table is not read through to count it.
_COUNTED_EXACTLY: Final = 100_000


class CassandraStore:
    """A RolloutStore in the keyspace of `settings`; thread-safe.

    Nothing is dialled before the first call. While Cassandra does not answer, every call ends as UnavailableError, in
    its time, and the connection comes back by itself. A space without the table of the schema command is unavailable.

    Of two writes of a key at the very same `written_at` Cassandra keeps the greater values, not the later arrived; a
    negative wins over an embedding.
    """

    def __init__(
        self,
        settings: StoreSettings,
        clock: Clock,
        credentials: CredentialsSource | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._cassandra = settings.cassandra
        self._clock = clock
        self._link = CassandraLink(settings.cassandra, credentials, tls)
        self._requests = CassandraRequests()
        self._checkpoints = CassandraCheckpoints(self._link, self._requests, _PATIENCE)
        self._search = CassandraSearch(settings.cassandra, self._link, self._requests, clock, _PATIENCE)
        self._written: type[Table | DirectedTable] = DirectedTable if settings.cassandra.vector_search else Table

    def ensure_space(self, space: str) -> None:
        """Make keyspace and tables where they are not there yet; for the schema command alone."""
        ensure_schema(self._schema_session(), self._cassandra, space)
        self._link.forget(space)

    def ensure_search(self, space: str, dimension: int) -> None:
        """Make and fill the index of a space's vectors, or drop it, as vectorSearch says; for the schema command alone.

        Raises:
            InvalidSpecError: vectors of this dimension cannot be indexed.
        """
        pages = self.scan_range(space, WHOLE_RING, _FILLED_A_PAGE)
        self._search.ensure(self._schema_session(), space, dimension, pages)
        self._link.forget(space)

    def drop_space(self, space: str) -> None:
        """Drop the space's checkpoints, so that a later fill of the space begins anew, and then its table."""
        session = self._schema_session()
        if has_progress(session, self._cassandra):
            self._checkpoints.drop(space)
        drop_table(session, self._cassandra, space)
        self._link.forget(space)

    def spaces(self) -> Sequence[str]:
        """Return the ids of the spaces that the keyspace has, sorted; for the drop command alone."""
        return spaces_of(self._schema_session(), self._cassandra)

    def drop_keyspace(self) -> None:
        """Drop the keyspace with every space in it; for the drop command alone. Nothing else may be done afterwards."""
        drop_keyspace(self._schema_session(), self._cassandra)

    def checkpoints(self) -> CassandraCheckpoints:
        """Return the checkpoints in the same keyspace."""
        return self._checkpoints

    def read(self, space: str, keys: Sequence[str], timeout: timedelta) -> dict[str, Row]:
        """Return the rows of those keys that have one, all requests under way together."""
        found, now = self._asked("read", space, keys, timeout), self._clock()
        rows = (row for row in map(of_columns, found) if row is not None and not expired(row, now))
        return {row.key: row for row in rows}

    def lookup(self, space: str, keys: Sequence[str], timeout: timedelta) -> dict[str, Served]:
        """Return what look-ups need of the same rows, from requests for no more than that."""
        found, now = self._asked("lookup", space, keys, timeout), self._clock()
        rows = ((columns[0], served_of(columns, now)) for columns in found)
        return {key: row for key, row in rows if row is not None}

    def scan(self, space: str, page: int = 1000) -> Iterator[Sequence[Row]]:
        """Yield the rows by token range; between two pages nothing is open, here or on the server."""
        for found in self._pages(space, "page", page):
            now = self._clock()
            rows = [row for row in map(of_columns, found) if row is not None and not expired(row, now)]
            if rows:
                yield rows

    def scan_range(self, space: str, token_range: TokenRange, page: int = 1000) -> Iterator[Page]:
        """Yield the rows of a range, read with the consistency of writes: what a quorum has is not missed."""
        return pages_of(self._fetched(space, "range_page", token_range, page, of_columns), token_range.end, page)

    def scan_keys(self, space: str, token_range: TokenRange, page: int = 1000) -> Iterator[KeyPage]:
        """Yield what is known of the keys of the same rows."""
        return pages_between_tokens(
            self._fetched(space, "key_page", token_range, page, key_row_of), token_range.end, page
        )

    def similar(self, space: str, search: Search, timeout: timedelta) -> Sequence[Neighbour]:
        """Return the nearest embeddings that the index finds; without one, see ensure_search, it is unavailable."""
        return self._search.similar(space, search, timeout, self.read)

    def count(self, space: str) -> int:
        """Return the number of embeddings: exactly up to about 100,000 keys, beyond that Cassandra's own estimate.

        The estimate is of partitions, so it counts negatives, and is minutes old.
        """
        table, _ = self._link.prepared(Table, space, _PATIENCE)
        with unavailable_on_failure():
            estimate = estimate_partitions(table.session, self._cassandra, space, _PATIENCE)
        if estimate > _COUNTED_EXACTLY:
            return estimate
        now = self._clock()
        pages = self._pages(space, "count_page", _COUNTED_A_PAGE)
        return sum(written_at is not None and not 0 < (ends or 0) <= now for page in pages for ends, written_at in page)

    def write(self, space: str, rows: Sequence[Row]) -> None:
        """Write rows, each by itself, under way together."""
        table, left = self._link.prepared(self._written, space, _PATIENCE)
        now = self._clock()
        self._requests.run(table.session, (table.bind_write(row, now) for row in rows), left)

    def delete(self, space: str, keys: Sequence[str], at: Micros) -> None:
        """Delete what was written up to and including `at`."""
        table, left = self._link.prepared(Table, space, _PATIENCE)
        self._requests.run(table.session, (table.delete.bind((at, key)) for key in keys), left)

    def close(self) -> None:
        """Close every connection."""
        self._link.close()

    def _schema_session(self) -> Any:
        with unavailable_on_failure():
            return self._link.session(_CONNECT_PATIENCE.total_seconds())

    def _asked(self, kind: str, space: str, keys: Sequence[str], timeout: timedelta) -> Iterator[Any]:
        table, left = self._link.prepared(Table, space, timeout)
        requests = self._by_keys(table, getattr(table, kind), keys)
        return chain.from_iterable(self._requests.run(table.session, requests, left))

    def _by_keys(self, table: Table, statements: KeyStatements, keys: Sequence[str]) -> Iterator[Any]:
        if len(keys) == 1:
            yield bind_encoded(statements.one, [keys[0].encode()])
            return
        asked = list(dict.fromkeys(keys))
        metadata = table.session.cluster.metadata
        for group in groups_by_replica(metadata, self._cassandra.keyspace, asked, _KEYS_A_REQUEST):
            yield BoundStatement(statements.many, routing_key=group[0].encode()).bind((group,))

    def _fetched(
        self, space: str, statement: str, token_range: TokenRange, page: int, row_of: Callable[[Any], Any]
    ) -> Iterator[Sequence[tuple[int, Any]]]:
        for found in self._pages(space, statement, page, token_range):
            now = self._clock()
            rows = ((token, row_of(columns)) for token, *columns in found)
            yield [(token, None if row is None or expired(row, now) else row) for token, row in rows]

    def _pages(
        self, space: str, statement: str, size: int, token_range: TokenRange = WHOLE_RING
    ) -> Iterator[Sequence[Any]]:
        table, _ = self._link.prepared(Table, space, _PATIENCE)
        for ends in token_ranges(table.session.cluster.metadata, token_range):
            state: bytes | None = None
            while True:
                table, left = self._link.prepared(Table, space, _PATIENCE)
                bound = getattr(table, statement).bind(ends)
                bound.fetch_size = size
                rows, state = self._requests.page(table.session, bound, left, state)
                yield rows
                if state is None:
                    break
