"""The store behind its breaker and its timeout: the one way in which the look-up server asks it."""

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from time import perf_counter
from typing import Final, Protocol, TypeVar

from embark.clock import Clock, Micros
from embark.errors import ClosedError, UnavailableError
from embark.store import Checkpoints, EmbeddingStore, Neighbour, RangeProgress, Row, Search, Served
from embark_server.breaker import Breaker
from embark_server.metrics import Metrics
from embark_server.threads import stepping_aside

T = TypeVar("T")

# Of the time a caller has left, what is kept to answer it after the store was too slow: a quarter, 200 ms at most. A
# process that shares its cores, or is throttled by its CPU limit, may well stand still for 100 ms.
_ANSWER_SHARE: Final = 0.25
_ANSWER_SECONDS: Final = 0.2
# The most that a search may take; in the local mode it reads every row.
_SEARCH_SECONDS: Final = 30.0


class ServedStore(EmbeddingStore, Protocol):
    """What the look-up server asks: the embeddings, and the checkpoints of rollouts beside them."""

    def checkpoints(self) -> Checkpoints:
        """Return the checkpoints; see RolloutStore."""
        ...


def time_for_waiting(remaining: float) -> float:
    """Return the seconds of `remaining`, until a caller's deadline, that may be spent before its answer is made."""
    return max(0.0, remaining - min(remaining * _ANSWER_SHARE, _ANSWER_SECONDS))


class GuardedStore:
    """Asks the store within `read_timeout`, and not at all while the breaker is open.

    Every method raises UnavailableError when the store fails, is too slow, is closed, or is not asked.
    """

    def __init__(
        self, store: ServedStore, breaker: Breaker, read_timeout: timedelta, clock: Clock, metrics: Metrics
    ) -> None:
        self._store = store
        self._breaker = breaker
        self._read_timeout = read_timeout
        self._clock = clock
        self._metrics = metrics
        self._log = logging.getLogger(__name__)

    def read(self, space: str, keys: Sequence[str], remaining: float) -> dict[str, Row]:
        """Return the rows of those keys that have one, in time for a caller with `remaining` seconds left."""
        return self._read(self._store.read, space, keys, remaining)

    def lookup(self, space: str, keys: Sequence[str], remaining: float) -> dict[str, Served]:
        """Return what look-ups need of the rows that `read` would return, in the same time."""
        return self._read(self._store.lookup, space, keys, remaining)

    def write(self, space: str, rows: Sequence[Row]) -> None:
        """Write rows; see EmbeddingWriter."""
        self._ask(lambda: self._store.write(space, rows))

    def delete(self, space: str, keys: Sequence[str], at: Micros) -> None:
        """Delete rows; see EmbeddingWriter."""
        self._ask(lambda: self._store.delete(space, keys, at))

    def count(self, space: str) -> int:
        """Return the number of embeddings of a space."""
        return self._ask(lambda: self._store.count(space))

    def similar(self, space: str, search: Search, remaining: float) -> Sequence[Neighbour]:
        """Return neighbours, in time for a caller with `remaining` seconds left.

        As with scans the breaker has no part: a search may fail where look-ups are answered, for want of its index.
        """
        allowed = timedelta(seconds=min(time_for_waiting(remaining), _SEARCH_SECONDS))
        try:
            return self._store.similar(space, search, allowed)
        except (UnavailableError, ClosedError) as error:
            self._metrics.store_failures.inc()
            raise UnavailableError("store", str(error)) from error

    def progress(self, space: str) -> Sequence[RangeProgress]:
        """Return how far the ranges of a space are, in the time that checkpoints take for themselves.

        The breaker has no part: they may fail where look-ups are answered, for want of their table.
        """
        try:
            return self._store.checkpoints().load(space)
        except (UnavailableError, ClosedError) as error:
            self._metrics.store_failures.inc()
            raise UnavailableError("store", str(error)) from error

    def scan(self, space: str, page: int) -> Iterator[Sequence[Row]]:
        """Yield every row of a space; scans take long and say nothing about look-ups, so the breaker has no part."""
        try:
            yield from self._store.scan(space, page)
        except ClosedError as error:
            raise UnavailableError("store", str(error)) from error

    def _read(
        self,
        read: Callable[[str, Sequence[str], timedelta], dict[str, T]],
        space: str,
        keys: Sequence[str],
        remaining: float,
    ) -> dict[str, T]:
        allowed = min(self._read_timeout, timedelta(seconds=min(time_for_waiting(remaining), 1e6)))
        if allowed <= timedelta(0):
            raise UnavailableError("store", "not asked: the call has no time left")
        # A caller that leaves the store less than half of its time says nothing about the store by running out of it.
        fair = 2 * allowed >= self._read_timeout
        started = perf_counter()
        try:
            return self._ask(lambda: read(space, keys, allowed), fair=fair)
        finally:
            self._metrics.store_reads.count(perf_counter() - started)

    def _ask(self, ask: Callable[[], T], *, fair: bool = True) -> T:
        if not self._breaker.allow(self._clock()):
            raise UnavailableError("store", "not asked: it did not answer lately, and is tried again in a moment")
        settled = False
        try:
            with stepping_aside():
                answer = ask()
            settled = True
            if self._breaker.succeeded():
                self._log.info("the store answers again")
        except (UnavailableError, ClosedError) as error:
            self._metrics.store_failures.inc()
            if fair:
                settled = True
                if self._breaker.failed(self._clock()):
                    self._log.warning("the store does not answer; keys without a hot row are UNAVAILABLE: %s", error)
            raise UnavailableError("store", str(error)) from error
        finally:
            if not settled:
                self._breaker.abandoned()
        return answer
