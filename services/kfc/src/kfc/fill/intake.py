"""The state that the threads of KFC share: records, tasks, rejected records and offsets, under one lock."""

import logging
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from embark.causes import CauseError
from embark.topic import Record
from kfc.fill.dead_letters import RejectedRecords
from kfc.fill.filler import Failed, Filled
from kfc.fill.in_flight import InFlightKeys, Task
from kfc.fill.watermarks import Watermarks
from kfc.metrics import KfcMetrics
from kfc.requests import parse_fill_request
from kfc.runtime import Timer


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """How many records may be outstanding."""

    max_outstanding: int
    max_uncommittable: int = 100_000
    """Records that are outstanding, or finished and waiting for an earlier one of their partition. Each costs an
    offset, and their number must not grow while a key fails for minutes."""


class Intake:
    """Records in, tasks and rejected records out; thread-safe. The consumer checks `room` before it polls."""

    def __init__(
        self, in_flight: InFlightKeys, limits: IntakeLimits, *, metrics: KfcMetrics, space: str, timer: Timer
    ) -> None:
        self._in_flight = in_flight
        self._limits = limits
        self._metrics = metrics
        self._space = space
        self._timer = timer
        self._log = logging.getLogger(__name__)
        self._watermarks = Watermarks()
        self._rejected: deque[RejectedRecords] = deque()
        self._changed = threading.Condition()
        self._stopped = False

    def offer(self, records: Sequence[Record]) -> None:
        """Add polled records; those that cannot be parsed are rejected."""
        with self._changed:
            for record in records:
                self._watermarks.begin(record.partition, record.offset)
                try:
                    self._in_flight.add(parse_fill_request(record))
                except CauseError as error:
                    self._rejected.append(RejectedRecords([record], error.cause))
            self._show_outstanding()
            self._changed.notify_all()

    def room(self) -> int:
        """Return how many records may be offered now; 0: none until others finish."""
        with self._changed:
            return self._room()

    def wait_for_room(self, timeout: float) -> bool:
        """Wait until half of the limit is free, KFC stops or `timeout` seconds pass; return whether it is free."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._is_roomy(), timeout)
            return self._is_roomy()

    def take(self, limit: int) -> Sequence[Task]:
        """Wait for a key and return up to `limit` that are ready; none once KFC stops."""
        with self._changed:
            while not self._stopped:
                now = self._timer()
                tasks = self._in_flight.take(limit, now)
                if tasks:
                    return tasks
                due = self._in_flight.next_due(now)
                self._changed.wait(None if due is None else due - now)
            return []

    def take_rejected(self) -> RejectedRecords | None:
        """Wait for rejected records; None once KFC stops."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._rejected)
            return None if self._stopped else self._rejected.popleft()

    def complete(self, filled: Sequence[Filled]) -> None:
        """Finish the records that the rows of these keys answer."""
        with self._changed:
            for result in filled:
                self._finish([request.record for request in self._in_flight.take_answered(result.key, result.at)])
                self._in_flight.complete(result.key)
                self._metrics.count(result.outcome)
            self._show_outstanding()
            self._changed.notify_all()

    def fail(self, failed: Sequence[Failed]) -> None:
        """Hold keys for another attempt, or reject the records of those that have no attempt left."""
        with self._changed:
            for result in failed:
                waits = self._in_flight.fail(result.key, self._timer())
                attempts = self._in_flight.attempts(result.key)
                if waits:
                    self._metrics.retries.labels(result.cause.kind.value).inc()
                    extra = {"key": result.key, "space": self._space, "cause": str(result.cause)}
                    self._log.info("attempt %d failed: %s; will retry", attempts, result.cause, extra=extra)
                else:
                    records = [request.record for request in self._in_flight.take_answered(result.key, result.at)]
                    self._rejected.append(RejectedRecords(records, result.cause, attempts, result))
            self._changed.notify_all()

    def complete_rejected(self, rejected: RejectedRecords) -> None:
        """Finish rejected records whose dead letters are acknowledged."""
        with self._changed:
            self._finish(rejected.records)
            self._show_outstanding()
            if rejected.last_attempt is not None:
                self._in_flight.complete(rejected.last_attempt.key)
            self._changed.notify_all()

    def committable(self) -> dict[int, int]:
        """Return the offsets to commit, by partition."""
        with self._changed:
            return self._watermarks.committable()

    def committed(self, offsets: Mapping[int, int]) -> None:
        """Record that these offsets are committed."""
        with self._changed:
            self._watermarks.committed(offsets)

    def stop(self) -> None:
        """Return nothing from now on, and wake every thread that waits."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _finish(self, records: Sequence[Record]) -> None:
        for record in records:
            self._watermarks.finish(record.partition, record.offset)

    def _show_outstanding(self) -> None:
        # Once for each call, not for each key: the sum is over all partitions.
        self._metrics.outstanding.set(self._watermarks.outstanding)

    def _is_roomy(self) -> bool:
        return self._room() * 2 >= self._limits.max_outstanding

    def _room(self) -> int:
        if self._watermarks.uncommittable >= self._limits.max_uncommittable:
            return 0
        return max(0, self._limits.max_outstanding - self._watermarks.outstanding)
