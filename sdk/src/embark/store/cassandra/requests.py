"""Requests to Cassandra: bounded in number over all callers, each call with its own deadline."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final

from embark.errors import UnavailableError
from embark.store.cassandra.errors import DRIVER_ERRORS, to_unavailable

# The driver's limit is 32,768 for one connection, counting requests whose caller has timed out.
_MAX_IN_FLIGHT: Final = 256

Rows = Sequence[Any]


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
