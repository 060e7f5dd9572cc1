"""The connection of the Cassandra store: opened at the first use, retried while it fails, with statements prepared.

Connecting and preparing take longer than a look-up may wait, so one worker thread does both, and a caller waits for it
no longer than it has time. What failed is tried again by the first caller after RETRY_SECONDS.
"""

import socket
import ssl
import threading
import time
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Protocol, Self, TypeVar, cast

from cassandra import UnresolvableContactPoints
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import ConstantReconnectionPolicy, DCAwareRoundRobinPolicy, TokenAwarePolicy
from cassandra.query import tuple_factory

from embark.errors import ClosedError, UnavailableError
from embark.spec import Cassandra
from embark.store.cassandra.access import CredentialsSource, RenewedLogin, RetriedConnection
from embark.store.cassandra.errors import DRIVER_ERRORS, NoAddressError, describe

T = TypeVar("T")
RETRY_SECONDS: Final = 1.0
# A connection that has been still for the interval is asked for a sign of life, and given up when none comes in time:
# so a host that vanished without a word is noticed, and one that is back is found within the sum of delay and timeout.
_HEARTBEAT_SECONDS: Final = 2
_HEARTBEAT_TIMEOUT_SECONDS: Final = 4
_CONNECT_TIMEOUT_SECONDS: Final = 2
_RECONNECT_SECONDS: Final = 1.0
# The driver sends 4 KiB at a time. Without this the end of a longer write waits, by Nagle's algorithm, until the server
# acknowledges its beginning, and a server that sees no whole request takes 40 ms for that.
_AT_ONCE: Final = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
# Its frames cost the client less than those of version 5, which carry checksums computed in Python.
_PROTOCOL_VERSION: Final = 4


class Prepared(Protocol):
    """Prepared statements of one space, such as a Table."""

    @classmethod
    def prepare(cls, session: Any, cassandra: Cassandra, space: str) -> Self:
        """Prepare the statements; raises the driver's errors."""
        ...


P = TypeVar("P", bound=Prepared)
_Asked = tuple[type[Prepared], str]


@dataclass(frozen=True, slots=True)
class _Failure:
    message: str
    retry_at: float


class CassandraLink:
    """Lends the session and the prepared statements of one keyspace; thread-safe."""

    def __init__(self, cassandra: Cassandra, credentials: CredentialsSource | None, tls: ssl.SSLContext | None) -> None:
        self._cassandra = cassandra
        self._credentials = credentials
        self._tls = tls
        self._guard = threading.Lock()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="embark-cassandra")
        self._prepared: dict[_Asked, Prepared] = {}
        self._attempts: dict[_Asked, Future[Prepared | _Failure]] = {}
        self._session: Any = None  # of the worker's thread, until that has ended
        self._closed = False

    def prepared(self, kind: type[P], space: str, timeout: timedelta) -> tuple[P, timedelta]:
        """Return a space's statements of a kind, and what is left of `timeout` once they and the connection are there.

        Raises:
            UnavailableError: there is no connection, or not what the statements are about, or not in time.
            ClosedError: after close().
        """
        begun = time.monotonic()
        found = self._prepared.get((kind, space)) or self._await(self._attempt((kind, space)), timeout.total_seconds())
        if isinstance(found, _Failure):
            raise UnavailableError("store", found.message)
        return cast("P", found), timeout - timedelta(seconds=time.monotonic() - begun)

    def session(self, seconds: float) -> Any:
        """Return the driver's session, as prepared() does; raises the driver's errors as well."""
        with self._guard:
            self._check_open()
            future = self._worker.submit(self._connect)
        return self._await(future, seconds)

    def forget(self, space: str) -> None:
        """Prepare anew what may have been made, or dropped, since."""
        with self._guard:
            for kept in (self._prepared, self._attempts):
                for asked in list(kept):
                    if asked[1] == space:
                        kept.pop(asked, None)

    def close(self) -> None:
        """Close every connection; calls under way fail."""
        with self._guard:
            if self._closed:
                return
            self._closed = True
        self._worker.shutdown(wait=True, cancel_futures=True)
        self._prepared.clear()
        if self._session is not None:
            self._session.cluster.shutdown()

    def _attempt(self, asked: _Asked) -> "Future[Prepared | _Failure]":
        with self._guard:
            self._check_open()
            attempt = self._attempts.get(asked)
            if attempt is None or _is_over(attempt):
                attempt = self._attempts[asked] = self._worker.submit(self._prepare, asked)
            return attempt

    def _await(self, future: "Future[T]", seconds: float) -> T:
        try:
            return future.result(max(0.0, seconds))
        except CancelledError:
            raise ClosedError("the Cassandra store was closed before") from None
        except TimeoutError:
            raise UnavailableError("store", "there is no connection to Cassandra yet") from None

    def _prepare(self, asked: _Asked) -> Prepared | _Failure:
        kind, space = asked
        try:
            prepared = kind.prepare(self._connect(), self._cassandra, space)
        except DRIVER_ERRORS as error:
            return _Failure(describe(error), time.monotonic() + RETRY_SECONDS)
        self._prepared[asked] = prepared
        return prepared

    def _connect(self) -> Any:
        if self._session is None:
            cluster = self._open_cluster()
            try:
                self._session = cluster.connect()
            except BaseException:
                cluster.shutdown()
                raise
        return self._session

    def _open_cluster(self) -> Any:
        try:
            return _cluster(self._cassandra, self._credentials, self._tls)
        except UnresolvableContactPoints as error:
            names = ", ".join(self._cassandra.contact_points)  # which the driver's own words do not say
            raise NoAddressError(f"no contact point has an address: {names}") from error

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("the Cassandra store was closed before")


def _cluster(cassandra: Cassandra, credentials: CredentialsSource | None, tls: ssl.SSLContext | None) -> Any:
    """Return the driver's cluster, not yet connected; its event loop is libev where that is built in."""
    local = DCAwareRoundRobinPolicy(local_dc=cassandra.datacenter)
    profile = ExecutionProfile(TokenAwarePolicy(local, shuffle_replicas=True), row_factory=tuple_factory)
    return Cluster(
        list(cassandra.contact_points),
        port=cassandra.port,
        protocol_version=_PROTOCOL_VERSION,
        compression=False,  # vectors do not compress
        sockopts=[_AT_ONCE],
        auth_provider=RenewedLogin(credentials) if credentials else None,
        ssl_context=tls,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        reconnection_policy=ConstantReconnectionPolicy(_RECONNECT_SECONDS, max_attempts=None),
        connect_timeout=_CONNECT_TIMEOUT_SECONDS,
        control_connection_timeout=_CONNECT_TIMEOUT_SECONDS,
        idle_heartbeat_interval=_HEARTBEAT_SECONDS,
        idle_heartbeat_timeout=_HEARTBEAT_TIMEOUT_SECONDS,
        monitor_reporting_enabled=False,
        connection_class=RetriedConnection,
    )


def _is_over(future: "Future[Prepared | _Failure]") -> bool:
    """Return whether the attempt failed and it is time for another."""
    if not future.done() or future.cancelled():
        return False
    if future.exception() is not None:
        return True
    found = future.result()
    return isinstance(found, _Failure) and time.monotonic() >= found.retry_at
