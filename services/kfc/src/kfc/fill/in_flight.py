"""Which keys are being filled, for which records, and when one that failed is due again; pure, used by Intake."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from embark.clock import Micros
from embark.retries import Backoff, Retries
from kfc.requests import FillRequest


@dataclass(frozen=True, slots=True)
class Task:
    """One key to fill now; a row written at or after `not_before` answers every record that asked for it so far."""

    key: str
    not_before: Micros
    traceparent: str | None


@dataclass(slots=True)
class _InFlightKey:
    asks: list[FillRequest] = field(default_factory=list)
    attempts: int = 0


class InFlightKeys:
    """Every key asked for is one flight, however many records ask for it.

    A flight is ready, under way (taken, not yet landed or failed) or waiting for its next attempt. A record of a key
    in flight attaches to it. Times are seconds of whatever clock the caller uses throughout; nothing here reads one.
    """

    def __init__(self, max_attempts: int, backoff: Backoff) -> None:
        self._flights: dict[str, _InFlightKey] = {}
        self._ready: deque[str] = deque()
        self._retries: Retries[str] = Retries(max_attempts, backoff)

    def attach(self, ask: FillRequest) -> None:
        """Add a record to its key's flight, or begin one."""
        flight = self._flights.get(ask.key)
        if flight is None:
            flight = self._flights[ask.key] = _InFlightKey()
            self._ready.append(ask.key)
        flight.asks.append(ask)

    def take(self, limit: int, now: float) -> Sequence[Task]:
        """Return up to `limit` keys that are ready or due; they are under way until landed, or failed."""
        self._ready += self._retries.take_due(now)
        return [self._task(self._ready.popleft()) for _ in range(min(limit, len(self._ready)))]

    def next_due(self, now: float) -> float | None:
        """Return when a key can be taken: `now` if one is ready, None if there is none to wait for."""
        return now if self._ready else self._retries.next_due

    def fail(self, key: str, now: float) -> bool:
        """Count an attempt at a key that is under way.

        Returns:
            Whether it waits for another attempt; False: its attempts are used up, and it stays under way.
        """
        flight = self._flights[key]
        flight.attempts += 1
        return self._retries.schedule(key, flight.attempts, now)

    def attempts(self, key: str) -> int:
        """Return how often the key has been encoded in vain."""
        return self._flights[key].attempts

    def take_answered(self, key: str, at: Micros) -> Sequence[FillRequest]:
        """Remove and return the records that an encode which began at `at` answers; the key stays under way."""
        flight = self._flights[key]
        answered = [ask for ask in flight.asks if ask.not_before <= at]
        flight.asks = [ask for ask in flight.asks if ask.not_before > at]
        return answered

    def complete(self, key: str) -> None:
        """End a flight that is under way; if records are left (they need a younger row), it is ready once more."""
        flight = self._flights[key]
        if flight.asks:
            flight.attempts = 0
            self._ready.append(key)
        else:
            del self._flights[key]

    def _task(self, key: str) -> Task:
        asks = self._flights[key].asks
        trace = next((ask.traceparent for ask in asks if ask.traceparent), None)
        return Task(key, max(ask.not_before for ask in asks), trace)
