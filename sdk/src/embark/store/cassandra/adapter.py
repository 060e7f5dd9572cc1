"""The store in Cassandra."""

import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain, pairwise
from typing import Any, Final

from embark.clock import Clock, Micros
from embark.names import embeddings_table
from embark.settings import StoreSettings
from embark.spec import Cassandra
from embark.store.cassandra.access import CredentialsSource
from embark.store.cassandra.checkpoints import CassandraCheckpoints
from embark.store.cassandra.connection import CassandraConnection
from embark.store.cassandra.driver_internals import ring_tokens
from embark.store.cassandra.errors import unavailable_on_failure
from embark.store.cassandra.schema import drop_keyspace, drop_table, ensure_schema, has_checkpoints, list_spaces
from embark.store.cassandra.search import CassandraSearch, DirectedTable
from embark.store.cassandra.table import Table, to_key_row, to_row, to_served
from embark.store.neighbours import Neighbour, Search
from embark.store.ranges import WHOLE_RING, KeyPage, Page, TokenRange, pages_between_tokens
from embark.store.rows import Row, Served, expired

# Each host estimates the ranges that it is the first replica of, every five minutes.
_ESTIMATE: Final = (
    "SELECT partitions_count FROM system.table_estimates"
    " WHERE keyspace_name = %s AND table_name = %s AND range_type = 'local_primary'"
)


@dataclass(frozen=True, slots=True)
class CassandraLimits:
    """How long the Cassandra store waits, and how much it reads at a time."""

    timeout: timedelta = timedelta(seconds=10)
    """Of everything that no lookup waits for: a write or delete, a page of a scan, a count."""
    connect_timeout: timedelta = timedelta(seconds=30)
    """Of commands that change the schema: they may wait for a server that has just started."""
    keys_per_request: int = 32
    """A request for many keys costs the client little more than one for one; the server reads them in parallel."""
    rows_per_fill_page: int = 500
    rows_per_count_page: int = 5_000
    max_exact_count: int = 100_000
    """A table with more keys is not read to count it."""


DEFAULT_LIMITS: Final = CassandraLimits()


class CassandraStore:
    """A RolloutStore in the keyspace of `settings`; thread-safe.

    Connects at the first call. While Cassandra does not answer, every call raises UnavailableError within its timeout,
    and the connection is retried in the background. A space is unavailable until the schema command created its table.

    Of two writes of a key with an equal `written_at` Cassandra keeps the greater values, not those that arrived later;
    a negative wins over an embedding.
    """

    def __init__(
        self,
        settings: StoreSettings,
        clock: Clock,
        credentials: CredentialsSource | None = None,
        tls: ssl.SSLContext | None = None,
        limits: CassandraLimits = DEFAULT_LIMITS,
    ) -> None:
        self._cassandra = settings.cassandra
        self._clock = clock
        self._limits = limits
        self._connection = CassandraConnection(settings.cassandra, credentials, tls)
        self._checkpoints = CassandraCheckpoints(self._connection, limits.timeout)
        self._search = CassandraSearch(settings.cassandra, self._connection, clock, limits.timeout)
        self._written: type[Table | DirectedTable] = DirectedTable if settings.cassandra.vector_search else Table

    def ensure_space(self, space: str) -> None:
        """Create what is missing of keyspace and tables; only for the schema command."""
        ensure_schema(self._schema_session(), self._cassandra, space)
        self._connection.forget(space)

    def ensure_search(self, space: str, dimension: int) -> None:
        """Create and fill the index of a space's vectors, or drop it, by vectorSearch; only for the schema command.

        Raises:
            InvalidSpecError: vectors of this dimension cannot be indexed.
        """
        pages = self.scan_range(space, WHOLE_RING, self._limits.rows_per_fill_page)
        self._search.ensure(self._schema_session(), space, dimension, pages)
        self._connection.forget(space)

    def drop_space(self, space: str) -> None:
        """Drop the space's checkpoints, so that a later fill of the space starts over, and then its table."""
        session = self._schema_session()
        if has_checkpoints(session, self._cassandra):
            self._checkpoints.drop(space)
        drop_table(session, self._cassandra, space)
        self._connection.forget(space)

    def spaces(self) -> Sequence[str]:
        """Return the ids of the keyspace's spaces, sorted; only for the drop command."""
        return list_spaces(self._schema_session(), self._cassandra)

    def drop_keyspace(self) -> None:
        """Drop the keyspace with all its spaces; only for the drop command, which then closes the store."""
        drop_keyspace(self._schema_session(), self._cassandra)

    def checkpoints(self) -> CassandraCheckpoints:
        """Return the checkpoints in the same keyspace."""
        return self._checkpoints

    def read(self, space: str, keys: Sequence[str], timeout: timedelta) -> dict[str, Row]:
        """Return the rows of the keys that have one; all requests are in flight together."""
        found, now = self._fetch_keys("read", space, keys, timeout), self._clock()
        rows = (row for row in map(to_row, found) if row is not None and not expired(row, now))
        return {row.key: row for row in rows}

    def lookup(self, space: str, keys: Sequence[str], timeout: timedelta) -> dict[str, Served]:
        """Return what lookups need of the same rows, requesting only those columns."""
        found, now = self._fetch_keys("lookup", space, keys, timeout), self._clock()
        rows = ((columns[0], to_served(columns, now)) for columns in found)
        return {key: row for key, row in rows if row is not None}

    def scan(self, space: str, page: int = 1000) -> Iterator[Sequence[Row]]:
        """Yield the rows by token range; between two pages nothing is open, here or on the server."""
        for found in self._fetch_pages(space, "page", page):
            now = self._clock()
            rows = [row for row in map(to_row, found) if row is not None and not expired(row, now)]
            if rows:
                yield rows

    def scan_range(self, space: str, token_range: TokenRange, page: int = 1000) -> Iterator[Page]:
        """Yield the rows of a range, read with the consistency of writes: none that a quorum holds is missed."""
        fetched = self._fetch_range(space, "range_page", token_range, page, to_row)
        return pages_between_tokens(fetched, token_range.end, page)

    def scan_keys(self, space: str, token_range: TokenRange, page: int = 1000) -> Iterator[KeyPage]:
        """Yield the keys of the same rows."""
        fetched = self._fetch_range(space, "key_page", token_range, page, to_key_row)
        return pages_between_tokens(fetched, token_range.end, page)

    def similar(self, space: str, search: Search, timeout: timedelta) -> Sequence[Neighbour]:
        """Return the nearest embeddings that the index finds; unavailable without an index, see ensure_search."""
        return self._search.similar(space, search, timeout, self.read)

    def count(self, space: str) -> int:
        """Return the number of embeddings: exact up to about 100,000 keys, above that Cassandra's own estimate.

        The estimate counts partitions, so it includes negatives, and it is some minutes old.
        """
        table, _ = self._connection.prepared(Table, space, self._limits.timeout)
        with unavailable_on_failure():
            estimate = _estimate_partitions(table.session, self._cassandra, space, self._limits.timeout)
        if estimate > self._limits.max_exact_count:
            return estimate
        now = self._clock()
        pages = self._fetch_pages(space, "count_page", self._limits.rows_per_count_page)
        return sum(
            written_at is not None and not 0 < (expires_at or 0) <= now
            for page in pages
            for expires_at, written_at in page
        )

    def write(self, space: str, rows: Sequence[Row]) -> None:
        """Write rows, each with its own request; all are in flight together."""
        table, left = self._connection.prepared(self._written, space, self._limits.timeout)
        now = self._clock()
        self._connection.requests.run(table.session, (table.bind_write(row, now) for row in rows), left)

    def delete(self, space: str, keys: Sequence[str], at: Micros) -> None:
        """Delete what was written up to and including `at`."""
        table, left = self._connection.prepared(Table, space, self._limits.timeout)
        self._connection.requests.run(table.session, (table.delete.bind((at, key)) for key in keys), left)

    def close(self) -> None:
        """Close every connection."""
        self._connection.close()

    def _schema_session(self) -> Any:
        with unavailable_on_failure():
            return self._connection.session(self._limits.connect_timeout.total_seconds())

    def _fetch_keys(self, kind: str, space: str, keys: Sequence[str], timeout: timedelta) -> Iterator[Any]:
        table, left = self._connection.prepared(Table, space, timeout)
        metadata, size = table.session.cluster.metadata, self._limits.keys_per_request
        requests = getattr(table, kind).bind(keys, metadata, self._cassandra.keyspace, size)
        return chain.from_iterable(self._connection.requests.run(table.session, requests, left))

    def _fetch_range(
        self, space: str, statement: str, token_range: TokenRange, page: int, convert: Callable[[Any], Any]
    ) -> Iterator[Sequence[tuple[int, Any]]]:
        for found in self._fetch_pages(space, statement, page, token_range):
            now = self._clock()
            rows = ((token, convert(columns)) for token, *columns in found)
            yield [(token, None if row is None or expired(row, now) else row) for token, row in rows]

    def _fetch_pages(
        self, space: str, statement: str, size: int, token_range: TokenRange = WHOLE_RING
    ) -> Iterator[Sequence[Any]]:
        timeout = self._limits.timeout
        table, _ = self._connection.prepared(Table, space, timeout)
        for bounds in split_by_replicas(table.session.cluster.metadata, token_range):
            state: bytes | None = None
            while True:
                table, left = self._connection.prepared(Table, space, timeout)
                bound = getattr(table, statement).bind(bounds)
                bound.fetch_size = size
                rows, state = self._connection.requests.page(table.session, bound, left, state)
                yield rows
                if state is None:
                    break


def split_by_replicas(metadata: Any, token_range: TokenRange = WHOLE_RING) -> Sequence[tuple[int, int]]:
    """Return ranges (first token excluded, last token) that cover `token_range`, each held by the same replicas."""
    start, end = token_range.start, token_range.end
    bounds = [start, *sorted(token for token in ring_tokens(metadata) if start < token < end), end]
    return [(first, last) for first, last in pairwise(bounds) if first < last]


def _estimate_partitions(session: Any, cassandra: Cassandra, space: str, timeout: timedelta) -> int:
    """Return the sum over the hosts of the local datacenter that are up; raises the driver's errors."""
    metadata = session.cluster.metadata
    hosts = [host for host in metadata.all_hosts() if host.is_up and host.datacenter == cassandra.datacenter]
    wanted = (cassandra.keyspace, embeddings_table(space))
    sent = [session.execute_async(_ESTIMATE, wanted, timeout=timeout.total_seconds(), host=host) for host in hosts]
    return sum(partitions for future in sent for (partitions,) in future.result())
