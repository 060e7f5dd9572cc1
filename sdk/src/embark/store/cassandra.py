"""The store in Cassandra, behind EmbArk and KFC wherever they run as services."""

import ssl
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Final

from cassandra.query import BoundStatement

from embark.clock import Clock, Micros
from embark.settings import StoreSettings
from embark.store.cassandra_access import Credentials
from embark.store.cassandra_count import estimate_partitions
from embark.store.cassandra_errors import unavailable_on_failure
from embark.store.cassandra_link import CassandraLink
from embark.store.cassandra_requests import CassandraRequests
from embark.store.cassandra_ring import groups_by_replica, token_ranges
from embark.store.cassandra_rows import of_columns, write_values
from embark.store.cassandra_schema import ensure_schema
from embark.store.cassandra_table import Table
from embark.store.rows import Row, expired

# For what no look-up waits for: a write or delete, a page of a scan, a count.
_PATIENCE: Final = timedelta(seconds=10)
# For ensure_space: a schema command may wait for a server that has just been started.
_CONNECT_PATIENCE: Final = timedelta(seconds=30)
# One request for many keys costs the client little more than one for a single key; the server reads them in parallel.
_KEYS_A_REQUEST: Final = 32
_COUNTED_A_PAGE: Final = 5_000
# A larger table is not read through to count it.
_COUNTED_EXACTLY: Final = 100_000


class CassandraStore:
    """An EmbeddingStore in the keyspace of `settings`; thread-safe.

    Nothing is dialled before the first call. While Cassandra does not answer, every call ends as UnavailableError, in
    its time, and the connection comes back by itself. A space without the table of the schema command is unavailable.

    Of two writes of a key at the very same `written_at` Cassandra keeps the greater values, not the later arrived; a
    negative wins over an embedding.
    """

    def __init__(
        self,
        settings: StoreSettings,
        clock: Clock,
        credentials: Credentials | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._cassandra = settings.cassandra
        self._clock = clock
        self._link = CassandraLink(settings.cassandra, credentials, tls)
        self._requests = CassandraRequests()

    def ensure_space(self, space: str) -> None:
        """Make keyspace and table where they are not there yet; for the schema command alone."""
        with unavailable_on_failure():
            session = self._link.session(_CONNECT_PATIENCE.total_seconds())
        ensure_schema(session, self._cassandra, space)
        self._link.forget(space)

    def read(self, space: str, keys: Sequence[str], timeout: timedelta) -> dict[str, Row]:
        """Return the rows of those keys that have one, all requests under way together."""
        table, left = self._table(space, timeout)
        now = self._clock()
        rows: dict[str, Row] = {}
        for found in self._requests.run(table.session, self._reads(table, keys), left):
            for columns in found.current_rows:
                row = of_columns(columns)
                if row is not None and not expired(row, now):
                    rows[row.key] = row
        return rows

    def scan(self, space: str, page: int = 1000) -> Iterator[Sequence[Row]]:
        """Yield the rows by token range; between two pages nothing is open, here or on the server."""
        for found in self._pages(space, "page", page):
            now = self._clock()
            rows = [row for row in map(of_columns, found) if row is not None and not expired(row, now)]
            if rows:
                yield rows

    def count(self, space: str) -> int:
        """Return the number of embeddings: exactly up to about 100,000 keys, beyond that Cassandra's own estimate.

        The estimate is of partitions, so it counts negatives, and is minutes old.
        """
        table, _ = self._table(space, _PATIENCE)
        with unavailable_on_failure():
            estimate = estimate_partitions(table.session, self._cassandra, space, _PATIENCE)
        if estimate > _COUNTED_EXACTLY:
            return estimate
        now = self._clock()
        pages = self._pages(space, "count_page", _COUNTED_A_PAGE)
        return sum(written_at is not None and not 0 < (ends or 0) <= now for page in pages for ends, written_at in page)

    def write(self, space: str, rows: Sequence[Row]) -> None:
        """Write rows, each by itself, under way together."""
        table, left = self._table(space, _PATIENCE)
        now = self._clock()
        self._requests.run(table.session, (table.write.bind(write_values(row, now)) for row in rows), left)

    def delete(self, space: str, keys: Sequence[str], at: Micros) -> None:
        """Delete what was written up to and including `at`."""
        table, left = self._table(space, _PATIENCE)
        self._requests.run(table.session, (table.delete.bind((at, key)) for key in keys), left)

    def close(self) -> None:
        """Close every connection."""
        self._link.close()

    def _table(self, space: str, timeout: timedelta) -> tuple[Table, timedelta]:
        """Return the table and what is left of `timeout` once it is there."""
        begun = time.monotonic()
        table = self._link.table(space, timeout.total_seconds())
        return table, timeout - timedelta(seconds=time.monotonic() - begun)

    def _reads(self, table: Table, keys: Sequence[str]) -> Iterator[Any]:
        if len(keys) == 1:
            yield table.read_one.bind((keys[0],))
            return
        asked = list(dict.fromkeys(keys))
        metadata = table.session.cluster.metadata
        for group in groups_by_replica(metadata, self._cassandra.keyspace, asked, _KEYS_A_REQUEST):
            yield BoundStatement(table.read_many, routing_key=group[0].encode()).bind((group,))

    def _pages(self, space: str, statement: str, size: int) -> Iterator[Sequence[Any]]:
        table, _ = self._table(space, _PATIENCE)
        for ends in token_ranges(table.session.cluster.metadata):
            state: bytes | None = None
            while True:
                table, left = self._table(space, _PATIENCE)
                bound = getattr(table, statement).bind(ends)
                bound.fetch_size = size
                rows, state = self._requests.page(table.session, bound, left, state)
                yield rows
                if state is None:
                    break
