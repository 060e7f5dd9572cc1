"""The store behind a circuit breaker and a timeout; the lookup server reads and writes it only through this."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from time import perf_counter
from typing import Final, Protocol, TypeVar

from embark.clock import Clock, Micros, micros
from embark.errors import ClosedError, UnavailableError
from embark.spec import Serving
from embark.store import Checkpoints, EmbeddingStore, Neighbour, RangeProgress, Row, Search, Served
from embark_server.limits import DEFAULT_LIMITS, DEFAULT_TIMEOUTS, Limits, Timeouts
from embark_server.metrics import EmbArkMetrics
from embark_server.threads import yielding_slot

T = TypeVar("T")

# The part of a caller's remaining time that is reserved for the answer after the store timed out: a quarter, at most
# 200 ms. A process that shares its cores, or is throttled by its CPU limit, may stall for 100 ms.
_ANSWER_SHARE: Final = 0.25
_ANSWER_SECONDS: Final = 0.2


class ServedStore(EmbeddingStore, Protocol):
    """The store of the lookup server: embeddings, and the checkpoints of rollouts."""

    def checkpoints(self) -> Checkpoints:
        """Return the checkpoints; see RolloutStore."""
        ...


def time_for_waiting(remaining: float) -> float:
    """Return how many of the `remaining` seconds until a caller's deadline may be spent before its answer is built."""
    return max(0.0, remaining - min(remaining * _ANSWER_SHARE, _ANSWER_SECONDS))


class GuardedStore:
    """Calls the store with a timeout, and not at all while the circuit breaker is open.

    Every method raises UnavailableError when the store fails, times out, is closed, or is not called.
    """

    def __init__(
        self,
        store: ServedStore,
        serving: Serving,
        clock: Clock,
        metrics: EmbArkMetrics,
        *,
        limits: Limits = DEFAULT_LIMITS,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
    ) -> None:
        self._store = store
        self._breaker = CircuitBreaker(limits.store_failures, micros(timeouts.store_probe))
        self._read_timeout = serving.read_timeout
        self._search_timeout = timeouts.search
        self._clock = clock
        self._metrics = metrics
        self._log = logging.getLogger(__name__)

    @property
    def breaker_open(self) -> bool:
        """Whether calls are rejected without reaching the store."""
        return self._breaker.open

    def read(self, space: str, keys: Sequence[str], remaining: float) -> dict[str, Row]:
        """Return the rows of those keys that have one, in time for a caller with `remaining` seconds left."""
        return self._read(self._store.read, space, keys, remaining)

    def lookup(self, space: str, keys: Sequence[str], remaining: float) -> dict[str, Served]:
        """Return the parts of the same rows that lookups need, within the same time."""
        return self._read(self._store.lookup, space, keys, remaining)

    def write(self, space: str, rows: Sequence[Row]) -> None:
        """Write rows; see EmbeddingWriter."""
        self._call(lambda: self._store.write(space, rows))

    def delete(self, space: str, keys: Sequence[str], at: Micros) -> None:
        """Delete rows; see EmbeddingWriter."""
        self._call(lambda: self._store.delete(space, keys, at))

    def count(self, space: str) -> int:
        """Return the number of embeddings of a space."""
        return self._call(lambda: self._store.count(space))

    def similar(self, space: str, search: Search, remaining: float) -> Sequence[Neighbour]:
        """Return neighbours, in time for a caller with `remaining` seconds left.

        As with scans, the circuit breaker is not involved: a search may fail, for want of its index, while lookups
        succeed.
        """
        timeout = min(timedelta(seconds=min(time_for_waiting(remaining), 1e6)), self._search_timeout)
        try:
            return self._store.similar(space, search, timeout)
        except (UnavailableError, ClosedError) as error:
            self._metrics.store_failures.inc()
            raise UnavailableError("store", str(error)) from error

    def progress(self, space: str) -> Sequence[RangeProgress]:
        """Return the progress of each range of a space, within the checkpoints' own timeout.

        The circuit breaker is not involved: the checkpoints may fail, for want of their table, while lookups succeed.
        """
        try:
            return self._store.checkpoints().load(space)
        except (UnavailableError, ClosedError) as error:
            self._metrics.store_failures.inc()
            raise UnavailableError("store", str(error)) from error

    def scan(self, space: str, page: int) -> Iterator[Sequence[Row]]:
        """Yield every row of a space; scans are slow and say nothing about lookups, so they bypass the breaker."""
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
        timeout = min(self._read_timeout, timedelta(seconds=min(time_for_waiting(remaining), 1e6)))
        if timeout <= timedelta(0):
            raise UnavailableError("store", "not read: the call has no time left")
        # A timeout says nothing about the store if the caller left it less than half of its usual time.
        fair = 2 * timeout >= self._read_timeout
        started = perf_counter()
        try:
            return self._call(lambda: read(space, keys, timeout), fair=fair)
        finally:
            self._metrics.store_reads.observe(perf_counter() - started)

    def _call(self, call: Callable[[], T], *, fair: bool = True) -> T:
        if not self._breaker.allow(self._clock()):
            raise UnavailableError("store", "not called: it failed repeatedly and is probed again in a moment")
        reported = False
        try:
            with yielding_slot():
                result = call()
            reported = True
            if self._breaker.succeeded():
                self._log.info("the store is available again")
        except (UnavailableError, ClosedError) as error:
            self._metrics.store_failures.inc()
            if fair:
                reported = True
                if self._breaker.failed(self._clock()):
                    self._log.warning("the store is unavailable; keys without a hot row are UNAVAILABLE: %s", error)
            raise UnavailableError("store", str(error)) from error
        finally:
            if not reported:
                self._breaker.abandoned()
        return result


class CircuitBreaker:
    """Opens after `failures` consecutive failures; then admits one call every `probe_every` microseconds.

    Every admitted call reports exactly one of succeeded, failed and abandoned. The time is an argument.
    """

    def __init__(self, failures: int, probe_every: Micros) -> None:
        self._failures = failures
        self._probe_every = probe_every
        self._lock = threading.Lock()
        self._failed = 0
        self._open = False
        self._probing = False
        self._next_probe: Micros = 0

    @property
    def open(self) -> bool:
        """Whether calls are rejected."""
        return self._open

    def allow(self, now: Micros) -> bool:
        """Return whether a call is admitted now."""
        with self._lock:
            if not self._open:
                return True
            # A clock that was set back must not delay the next probe by more than one interval.
            due = now >= self._next_probe or now < self._next_probe - self._probe_every
            if self._probing or not due:
                return False
            self._probing = True
            return True

    def succeeded(self) -> bool:
        """Report a success; return whether it closed the breaker."""
        with self._lock:
            closed = self._open
            self._failed = 0
            self._open = self._probing = False
            return closed

    def failed(self, now: Micros) -> bool:
        """Report a failure or a timeout; return whether it opened the breaker."""
        with self._lock:
            self._failed += 1
            self._probing = False
            opened = not self._open and self._failed >= self._failures
            if opened or self._open:
                self._open = True
                self._next_probe = now + self._probe_every
            return opened

    def abandoned(self) -> None:
        """Report a call without a verdict, because its caller left it too little time."""
        with self._lock:
            self._probing = False
