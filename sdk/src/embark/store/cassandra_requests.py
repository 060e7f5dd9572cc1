"""Requests of the Cassandra store that are under way together: a bound over all callers, a deadline for each."""

import threading
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, Final

from embark.errors import UnavailableError
from embark.store.cassandra_errors import unavailable_on_failure

# The driver's limit for one connection is 32,768, answers that nobody waits for any more included.
_IN_FLIGHT: Final = 256


class CassandraRequests:
    """Sends bound statements; at most `limit` are under way at a time."""

    def __init__(self, limit: int = _IN_FLIGHT) -> None:
        self._free = threading.Semaphore(limit)

    def run(self, session: Any, statements: Iterable[Any], timeout: timedelta) -> list[Any]:
        """Send the statements and return their results in their order.

        Raises:
            UnavailableError: one failed, or not all were answered within `timeout`; the others may have been carried
                out.
        """
        deadline = time.monotonic() + timeout.total_seconds()
        with unavailable_on_failure():
            sent = [self._send(session, statement, deadline) for statement in statements]
            return [future.result() for future in sent]

    def page(
        self, session: Any, statement: Any, timeout: timedelta, state: bytes | None
    ) -> tuple[Sequence[Any], bytes | None]:
        """Return one page of a statement's rows, and the state that the next one begins from or None after the last."""
        deadline = time.monotonic() + timeout.total_seconds()
        with unavailable_on_failure():
            found = self._send(session, statement, deadline, state).result()
            return found.current_rows, found.paging_state

    def _send(self, session: Any, statement: Any, deadline: float, state: bytes | None = None) -> Any:
        left = deadline - time.monotonic()
        if left <= 0 or not self._free.acquire(timeout=left):
            raise UnavailableError("store", "Cassandra gave no answer in time to the requests sent before")
        try:
            future = session.execute_async(statement, timeout=left, paging_state=state)
        except BaseException:
            self._free.release()
            raise
        future.add_callbacks(self._release, self._release)
        return future

    def _release(self, _: Any) -> None:
        self._free.release()
