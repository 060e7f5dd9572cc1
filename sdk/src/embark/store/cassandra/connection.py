"""The connection to Cassandra: opened at the first use, retried while it fails, with prepared statements and requests.

Connecting and preparing take longer than a lookup may wait. One worker thread does both, and callers wait for it no
longer than their timeout. The first caller after RETRY_SECONDS retries what failed. Requests are bounded in number over
all callers, and each call has its own deadline.
"""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final, Protocol, Self, TypeVar, cast

from cassandra import UnresolvableContactPoints
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import ConstantReconnectionPolicy, DCAwareRoundRobinPolicy, TokenAwarePolicy
from cassandra.query import tuple_factory

from embark.errors import ClosedError, UnavailableError
from embark.spec import Cassandra
from embark.store.cassandra.access import CredentialsSource, ReloadingLogin
from embark.store.cassandra.driver_internals import ReconnectingConnection
from embark.store.cassandra.errors import DRIVER_ERRORS, NoAddressError, describe, to_unavailable

T = TypeVar("T")
RETRY_SECONDS: Final = 1.0
# An idle connection is probed at this interval and closed when no reply comes in time. So a host that vanished is
# noticed, and one that is back is found, within the sum of interval and timeout.
_HEARTBEAT_SECONDS: Final = 2
_HEARTBEAT_TIMEOUT_SECONDS: Final = 4
_CONNECT_TIMEOUT_SECONDS: Final = 2
_RECONNECT_SECONDS: Final = 1.0
# The driver sends 4 KiB at a time. Without this option Nagle's algorithm holds the end of a longer write back until the
# server acknowledges its beginning, for which a server with an incomplete request takes 40 ms.
_NO_DELAY: Final = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
# Its frames cost the client less than those of version 5, whose checksums are computed in Python.
_PROTOCOL_VERSION: Final = 4
# The driver's limit is 32,768 for one connection, counting requests whose caller has timed out.
_MAX_IN_FLIGHT: Final = 256

Rows = Sequence[Any]


class Prepared(Protocol):
    """The prepared statements of one space, such as a Table."""

    @classmethod
    def prepare(cls, session: Any, cassandra: Cassandra, space: str) -> Self:
        """Prepare the statements; raises the driver's errors."""
        ...


P = TypeVar("P", bound=Prepared)
_Wanted = tuple[type[Prepared], str]


@dataclass(frozen=True, slots=True)
class _Failure:
    message: str
    retry_at: float


class CassandraConnection:
    """The driver's session, the prepared statements of one keyspace, and the requests in flight; thread-safe."""

    def __init__(self, cassandra: Cassandra, credentials: CredentialsSource | None, tls: ssl.SSLContext | None) -> None:
        self.requests = CassandraRequests()
        self._cassandra = cassandra
        self._credentials = credentials
        self._tls = tls
        self._guard = threading.Lock()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="embark-cassandra")
        self._prepared: dict[_Wanted, Prepared] = {}
        self._attempts: dict[_Wanted, Future[Prepared | _Failure]] = {}
        self._session: Any = None  # used only by the worker's thread, until that has ended
        self._closed = False

    def prepared(self, kind: type[P], space: str, timeout: timedelta) -> tuple[P, timedelta]:
        """Return a space's statements of a kind, and what is left of `timeout` once they are prepared.

        Raises:
            UnavailableError: there is no connection, or the statements cannot be prepared, or not in time.
            ClosedError: the connection was closed.
        """
        begun = time.monotonic()
        found = self._prepared.get((kind, space)) or self._await(self._attempt((kind, space)), timeout.total_seconds())
        if isinstance(found, _Failure):
            raise UnavailableError("store", found.message)
        return cast("P", found), timeout - timedelta(seconds=time.monotonic() - begun)

    def session(self, seconds: float) -> Any:
        """Return the driver's session; raises as prepared() does, and the driver's errors."""
        with self._guard:
            self._check_open()
            future = self._worker.submit(self._connect)
        return self._await(future, seconds)

    def forget(self, space: str) -> None:
        """Prepare the statements of a space again at their next use, since its table was created or dropped."""
        with self._guard:
            for known in (self._prepared, self._attempts):
                for wanted in list(known):
                    if wanted[1] == space:
                        known.pop(wanted, None)

    def close(self) -> None:
        """Close every connection; calls in flight fail."""
        with self._guard:
            if self._closed:
                return
            self._closed = True
        self._worker.shutdown(wait=True, cancel_futures=True)
        self._prepared.clear()
        if self._session is not None:
            self._session.cluster.shutdown()

    def _attempt(self, wanted: _Wanted) -> "Future[Prepared | _Failure]":
        with self._guard:
            self._check_open()
            attempt = self._attempts.get(wanted)
            if attempt is None or _needs_retry(attempt):
                attempt = self._attempts[wanted] = self._worker.submit(self._prepare, wanted)
            return attempt

    def _await(self, future: "Future[T]", seconds: float) -> T:
        try:
            return future.result(max(0.0, seconds))
        except CancelledError:
            raise ClosedError("the Cassandra store is closed") from None
        except TimeoutError:
            raise UnavailableError("store", "there is no connection to Cassandra yet") from None

    def _prepare(self, wanted: _Wanted) -> Prepared | _Failure:
        kind, space = wanted
        try:
            prepared = kind.prepare(self._connect(), self._cassandra, space)
        except DRIVER_ERRORS as error:
            return _Failure(describe(error), time.monotonic() + RETRY_SECONDS)
        self._prepared[wanted] = prepared
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
            return open_cluster(self._cassandra, self._credentials, self._tls)
        except UnresolvableContactPoints as error:
            names = ", ".join(self._cassandra.contact_points)  # the driver's message lacks them
            raise NoAddressError(f"no contact point has an address: {names}") from error

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("the Cassandra store is closed")


class CassandraRequests:
    """Sends bound statements, with at most `limit` in flight at a time; thread-safe."""

    def __init__(self, limit: int = _MAX_IN_FLIGHT) -> None:
        self._free = threading.Semaphore(limit)

    def run(self, session: Any, statements: Iterable[Any], timeout: timedelta) -> Sequence[Rows]:
        """Send the statements and return the rows of each, in the order of the statements.

        Raises:
            UnavailableError: one failed, or not all were answered within `timeout`; others may have been executed.
        """
        deadline = time.monotonic() + timeout.total_seconds()
        replies = _Replies(self._free.release)
        try:
            for statement in statements:
                self._send(session, statement, deadline).add_callbacks(*replies.next())
            return replies.all()
        except DRIVER_ERRORS as error:
            raise to_unavailable(error) from error

    def page(self, session: Any, statement: Any, timeout: timedelta, state: bytes | None) -> tuple[Rows, bytes | None]:
        """Return one page of a statement's rows, and the paging state of the next page, None after the last.

        Raises:
            UnavailableError: the request failed or was not answered within `timeout`.
        """
        deadline = time.monotonic() + timeout.total_seconds()
        try:
            future = self._send(session, statement, deadline, state)
            future.add_callbacks(self._release, self._release)
            found = future.result()
        except DRIVER_ERRORS as error:
            raise to_unavailable(error) from error
        return found.current_rows, found.paging_state

    def _send(self, session: Any, statement: Any, deadline: float, state: bytes | None = None) -> Any:
        """Return the future of a request; its callbacks must release its place."""
        left = deadline - time.monotonic()
        if left <= 0 or not self._free.acquire(timeout=left):
            raise UnavailableError("store", "Cassandra gave no answer in time to the requests sent before")
        try:
            return session.execute_async(statement, timeout=left, paging_state=state)
        except BaseException:
            self._free.release()
            raise

    def _release(self, _: Any) -> None:
        self._free.release()


class _Replies:
    """The replies to the requests of one run, awaited together: waiting for a future each costs more."""

    def __init__(self, release: Callable[[], None]) -> None:
        """Call `release` once for each reply."""
        self._release = release
        self._rows: list[Rows] = []
        self._done = threading.Event()
        self._lock = threading.Lock()  # guards the next two
        self._received = 0
        self._all_sent = False
        self._error: BaseException | None = None

    def next(self) -> tuple[Callable[[Any], None], Callable[[BaseException], None]]:
        """Return the callback and the errback of the next request; call it from a single thread."""
        self._rows.append(())
        return partial(self._receive, len(self._rows) - 1), self._fail

    def all(self) -> Sequence[Rows]:
        """Wait until every request is answered or one has failed; raise the driver's error of that one."""
        with self._lock:
            self._all_sent = True
            waits = self._received < len(self._rows)
        if waits:
            self._done.wait()
        if self._error is not None:
            raise self._error
        return self._rows

    def _receive(self, place: int, rows: Rows | None) -> None:
        self._release()
        self._rows[place] = rows or ()
        with self._lock:
            self._received += 1
            done = self._all_sent and self._received == len(self._rows)
        if done:
            self._done.set()

    def _fail(self, error: BaseException) -> None:
        self._release()
        self._error = error
        self._done.set()


def open_cluster(cassandra: Cassandra, credentials: CredentialsSource | None, tls: ssl.SSLContext | None) -> Any:
    """Return the driver's cluster, not yet connected; its event loop is libev if the driver was built with it."""
    local = DCAwareRoundRobinPolicy(local_dc=cassandra.datacenter)
    profile = ExecutionProfile(TokenAwarePolicy(local, shuffle_replicas=True), row_factory=tuple_factory)
    return Cluster(
        list(cassandra.contact_points),
        port=cassandra.port,
        protocol_version=_PROTOCOL_VERSION,
        compression=False,  # vectors do not compress
        sockopts=[_NO_DELAY],
        auth_provider=ReloadingLogin(credentials) if credentials else None,
        ssl_context=tls,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        reconnection_policy=ConstantReconnectionPolicy(_RECONNECT_SECONDS, max_attempts=None),
        connect_timeout=_CONNECT_TIMEOUT_SECONDS,
        control_connection_timeout=_CONNECT_TIMEOUT_SECONDS,
        idle_heartbeat_interval=_HEARTBEAT_SECONDS,
        idle_heartbeat_timeout=_HEARTBEAT_TIMEOUT_SECONDS,
        monitor_reporting_enabled=False,
        connection_class=ReconnectingConnection,
    )


def _needs_retry(attempt: "Future[Prepared | _Failure]") -> bool:
    """Return whether the attempt failed and it is time for another."""
    if not attempt.done() or attempt.cancelled():
        return False
    if attempt.exception() is not None:
        return True
    found = attempt.result()
    return isinstance(found, _Failure) and time.monotonic() >= found.retry_at
