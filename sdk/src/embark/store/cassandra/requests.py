"""Requests of the Cassandra store that are under way together: a bound over all callers, a deadline for each."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final

from embark.errors import UnavailableError
from embark.store.cassandra.errors import unavailable_on_failure

# The driver's limit for one connection is 32,768, answers that nobody waits for any more included.
_IN_FLIGHT: Final = 256

Rows = Sequence[Any]


class CassandraRequests:
    """Sends bound statements; at most `limit` are under way at a time."""

    def __init__(self, limit: int = _IN_FLIGHT) -> None:
        self._free = threading.Semaphore(limit)

    def run(self, session: Any, statements: Iterable[Any], timeout: timedelta) -> Sequence[Rows]:
        """Send the statements and return the rows of each, in their order.

        Raises:
            UnavailableError: one failed, or not all were answered within `timeout`; the others may have been carried
                out.
        """
        deadline = time.monotonic() + timeout.total_seconds()
        answers = _Answers(self._free.release)
        with unavailable_on_failure():
            for statement in statements:
                self._send(session, statement, deadline).add_callbacks(*answers.next())
            return answers.all()

    def page(self, session: Any, statement: Any, timeout: timedelta, state: bytes | None) -> tuple[Rows, bytes | None]:
        """Return one page of a statement's rows, and the state that the next one begins from or None after the last."""
        deadline = time.monotonic() + timeout.total_seconds()
        with unavailable_on_failure():
            future = self._send(session, statement, deadline, state)
            future.add_callbacks(self._release, self._release)
            found = future.result()
            return found.current_rows, found.paging_state

    def _send(self, session: Any, statement: Any, deadline: float, state: bytes | None = None) -> Any:
        """Return the future of a request; its callbacks are to free its place."""
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


class _Answers:
    """What comes for the requests of one run, which are waited for together: a future each costs more to wait for."""

    def __init__(self, release: Callable[[], None]) -> None:
        """Call `release` once for each answer."""
        self._release: Final = release
        self._rows: Final[list[Rows]] = []
        self._over: Final = threading.Event()
        self._lock: Final = threading.Lock()  # guards the next two
        self._came = 0
        self._all_sent = False
        self._error: BaseException | None = None

    def next(self) -> tuple[Callable[[Any], None], Callable[[BaseException], None]]:
        """Return what takes the rows of the next request, and what takes its failure; called by a single thread."""
        self._rows.append(())
        return partial(self._take, len(self._rows) - 1), self._fail

    def all(self) -> Sequence[Rows]:
        """Wait until every request is answered or one has failed; raise what the driver raised for that."""
        with self._lock:
            self._all_sent = True
            waits = self._came < len(self._rows)
        if waits:
            self._over.wait()
        if self._error is not None:
            raise self._error
        return self._rows

    def _take(self, place: int, rows: Rows | None) -> None:
        self._release()
        self._rows[place] = rows or ()
        with self._lock:
            self._came += 1
            over = self._all_sent and self._came == len(self._rows)
        if over:
            self._over.set()

    def _fail(self, error: BaseException) -> None:
        self._release()
        self._error = error
        self._over.set()
