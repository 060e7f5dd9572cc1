"""The keys in state: for which records each is filled, and when a failed one is due again."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from embark.clock import Micros
from embark.retries import Backoff, Retries
from kfc.requests import FillRequest


@dataclass(frozen=True, slots=True)
class Task:
    """A key to fill now; a row written at or after `not_before` answers every record that has requested it."""

    key: str
    not_before: Micros
    traceparent: str | None


@dataclass(slots=True)
class _InFlightKey:
    requests: list[FillRequest] = field(default_factory=list)
    attempts: int = 0


class InFlightKeys:
    """The keys that records have requested; records of one key share one fill.

    A key is ready, in progress (taken, and neither completed nor failed) or waiting for its next attempt. Times are
    seconds of any clock that the caller uses throughout; nothing here reads one.
    """

    def __init__(self, max_attempts: int, backoff: Backoff) -> None:
        self._keys: dict[str, _InFlightKey] = {}
        self._ready: deque[str] = deque()
        self._retries: Retries[str] = Retries(max_attempts, backoff)

    def add(self, request: FillRequest) -> None:
        """Add a record to the fill of its key, which becomes ready if it is new."""
        state = self._keys.get(request.key)
        if state is None:
            state = self._keys[request.key] = _InFlightKey()
            self._ready.append(request.key)
        state.requests.append(request)

    def take(self, limit: int, now: float) -> Sequence[Task]:
        """Return up to `limit` keys that are ready or due; they are in progress until they complete or fail."""
        self._ready += self._retries.take_due(now)
        return [self._task(self._ready.popleft()) for _ in range(min(limit, len(self._ready)))]

    def next_due(self, now: float) -> float | None:
        """Return when a key can be taken: `now` if one is ready, None if none waits."""
        return now if self._ready else self._retries.next_due

    def fail(self, key: str, now: float) -> bool:
        """Count a failed attempt at a key in progress.

        Returns:
            Whether it waits for another attempt; False: its attempts are used up, and it stays in progress.
        """
        state = self._keys[key]
        state.attempts += 1
        return self._retries.schedule(key, state.attempts, now)

    def attempts(self, key: str) -> int:
        """Return how many encodes of the key have failed."""
        return self._keys[key].attempts

    def take_answered(self, key: str, at: Micros) -> Sequence[FillRequest]:
        """Remove and return the records that an encode that began at `at` answers; the key stays in progress."""
        state = self._keys[key]
        answered = [request for request in state.requests if request.not_before <= at]
        state.requests = [request for request in state.requests if request.not_before > at]
        return answered

    def complete(self, key: str) -> None:
        """Finish a key in progress; if records are left, which need a younger row, it is ready again."""
        state = self._keys[key]
        if state.requests:
            state.attempts = 0
            self._ready.append(key)
        else:
            del self._keys[key]

    def _task(self, key: str) -> Task:
        requests = self._keys[key].requests
        trace = next((request.traceparent for request in requests if request.traceparent), None)
        return Task(key, max(request.not_before for request in requests), trace)
