"""The connection of the Cassandra store: opened at the first use, retried while it fails, with statements prepared.

Connecting and preparing take longer than a look-up may wait, so one worker thread does both, and a caller waits for it
no longer than it has time. What failed is tried again by the first caller after RETRY_SECONDS.
"""

import ssl
import threading
import time
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import ConstantReconnectionPolicy, DCAwareRoundRobinPolicy, TokenAwarePolicy
from cassandra.query import tuple_factory

from embark.errors import ClosedError, UnavailableError
from embark.spec import Cassandra
from embark.store.cassandra_access import Credentials
from embark.store.cassandra_errors import DRIVER_ERRORS, describe
from embark.store.cassandra_table import Table

T = TypeVar("T")
RETRY_SECONDS: Final = 1.0
# A connection that has been still for the interval is asked for a sign of life, and given up when none comes in time:
# so a host that vanished without a word is noticed, and one that is back is found within the sum of delay and timeout.
_HEARTBEAT_SECONDS: Final = 2
_HEARTBEAT_TIMEOUT_SECONDS: Final = 4
_CONNECT_TIMEOUT_SECONDS: Final = 2
_RECONNECT_SECONDS: Final = 1.0
# Its frames cost the client less than those of version 5, which carry checksums computed in Python.
_PROTOCOL_VERSION: Final = 4


@dataclass(frozen=True, slots=True)
class _Failure:
    message: str
    retry_at: float


class CassandraLink:
    """Lends the session and the tables of one keyspace; thread-safe."""

    def __init__(self, cassandra: Cassandra, credentials: Credentials | None, tls: ssl.SSLContext | None) -> None:
        self._cassandra = cassandra
        self._credentials = credentials
        self._tls = tls
        self._guard = threading.Lock()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="embark-cassandra")
        self._tables: dict[str, Table] = {}
        self._attempts: dict[str, Future[Table | _Failure]] = {}
        self._session: Any = None  # of the worker's thread, until that has ended
        self._closed = False

    def table(self, space: str, seconds: float) -> Table:
        """Return a space's table, waiting up to `seconds` for the connection.

        Raises:
            UnavailableError: there is no connection, or no such table, or not in time.
            ClosedError: after close().
        """
        table = self._tables.get(space)
        if table is not None:
            return table
        found = self._await(self._attempt(space), seconds)
        if isinstance(found, _Failure):
            raise UnavailableError("store", found.message)
        return found

    def session(self, seconds: float) -> Any:
        """Return the driver's session, as table() does; raises the driver's errors as well."""
        with self._guard:
            self._check_open()
            future = self._worker.submit(self._connect)
        return self._await(future, seconds)

    def forget(self, space: str) -> None:
        """Ask anew for a table that may have been made since it was found missing."""
        with self._guard:
            self._tables.pop(space, None)
            self._attempts.pop(space, None)

    def close(self) -> None:
        """Close every connection; calls under way fail."""
        with self._guard:
            if self._closed:
                return
            self._closed = True
        self._worker.shutdown(wait=True, cancel_futures=True)
        self._tables.clear()
        if self._session is not None:
            self._session.cluster.shutdown()

    def _attempt(self, space: str) -> "Future[Table | _Failure]":
        with self._guard:
            self._check_open()
            attempt = self._attempts.get(space)
            if attempt is None or _is_over(attempt):
                attempt = self._attempts[space] = self._worker.submit(self._prepare, space)
            return attempt

    def _await(self, future: "Future[T]", seconds: float) -> T:
        try:
            return future.result(max(0.0, seconds))
        except CancelledError:
            raise ClosedError("the Cassandra store was closed before") from None
        except TimeoutError:
            raise UnavailableError("store", "there is no connection to Cassandra yet") from None

    def _prepare(self, space: str) -> Table | _Failure:
        try:
            table = Table.prepare(self._connect(), self._cassandra, space)
        except DRIVER_ERRORS as error:
            return _Failure(describe(error), time.monotonic() + RETRY_SECONDS)
        self._tables[space] = table
        return table

    def _connect(self) -> Any:
        if self._session is None:
            cluster = _cluster(self._cassandra, self._credentials, self._tls)
            try:
                self._session = cluster.connect()
            except BaseException:
                cluster.shutdown()
                raise
        return self._session

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("the Cassandra store was closed before")


def _cluster(cassandra: Cassandra, credentials: Credentials | None, tls: ssl.SSLContext | None) -> Any:
    """Return the driver's cluster, not yet connected; its event loop is libev where that is built in."""
    local = DCAwareRoundRobinPolicy(local_dc=cassandra.datacenter)
    profile = ExecutionProfile(TokenAwarePolicy(local, shuffle_replicas=True), row_factory=tuple_factory)
    return Cluster(
        list(cassandra.contact_points),
        port=cassandra.port,
        protocol_version=_PROTOCOL_VERSION,
        compression=False,  # vectors do not compress
        auth_provider=PlainTextAuthProvider(credentials.username, credentials.password) if credentials else None,
        ssl_context=tls,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        reconnection_policy=ConstantReconnectionPolicy(_RECONNECT_SECONDS, max_attempts=None),
        connect_timeout=_CONNECT_TIMEOUT_SECONDS,
        control_connection_timeout=_CONNECT_TIMEOUT_SECONDS,
        idle_heartbeat_interval=_HEARTBEAT_SECONDS,
        idle_heartbeat_timeout=_HEARTBEAT_TIMEOUT_SECONDS,
        monitor_reporting_enabled=False,
    )


def _is_over(future: "Future[Table | _Failure]") -> bool:
    """Return whether the attempt failed and it is time for another."""
    if not future.done() or future.cancelled():
        return False
    if future.exception() is not None:
        return True
    found = future.result()
    return isinstance(found, _Failure) and time.monotonic() >= found.retry_at
