"""What the threads of KFC share: records in, tasks and rejects out, finished offsets back; all under one lock."""

import logging
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

from embark.causes import CauseError
from embark.topic import Record
from kfc.calls import Timer
from kfc.fill.dead_letters import RejectedRecords
from kfc.fill.filler import Failed, Filled
from kfc.fill.in_flight import InFlightKeys, Task
from kfc.fill.watermarks import Watermarks
from kfc.metrics import KfcMetrics
from kfc.requests import parse_fill_request

# Finished records that wait for an earlier one of their partition cost an offset each; a key that fails for minutes
# must not make their number grow without end.
MAX_UNCOMMITTABLE: Final = 100_000


class Intake:
    """Thread-safe; at most about `limit` records are outstanding, for the consumer asks `room` before it polls."""

    def __init__(self, flights: InFlightKeys, limit: int, *, metrics: KfcMetrics, space: str, timer: Timer) -> None:
        self._flights: Final = flights
        self._limit: Final = limit
        self._metrics: Final = metrics
        self._space: Final = space
        self._timer: Final = timer
        self._log: Final = logging.getLogger(__name__)
        self._watermarks: Final = Watermarks()
        self._rejects: deque[RejectedRecords] = deque()
        self._changed: Final = threading.Condition()
        self._stopped = False

    def offer(self, records: Sequence[Record]) -> None:
        """Take in records as they were polled; those that cannot be read become rejects."""
        with self._changed:
            for record in records:
                self._watermarks.begin(record.partition, record.offset)
                try:
                    self._flights.attach(parse_fill_request(record))
                except CauseError as error:
                    self._rejects.append(RejectedRecords([record], error.cause))
            self._show_outstanding()
            self._changed.notify_all()

    def room(self) -> int:
        """Return how many records may be offered now; 0: none until others are finished."""
        with self._changed:
            return self._room()

    def wait_for_room(self, timeout: float) -> bool:
        """Wait until half of the limit is free, KFC stops or `timeout` seconds are over; return whether it is free."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._is_roomy(), timeout)
            return self._is_roomy()

    def take(self, limit: int) -> Sequence[Task]:
        """Return up to `limit` keys as soon as there is one, not waiting for more; none once KFC stops."""
        with self._changed:
            while not self._stopped:
                now = self._timer()
                tasks = self._flights.take(limit, now)
                if tasks:
                    return tasks
                due = self._flights.next_due(now)
                self._changed.wait(None if due is None else due - now)
            return []

    def take_reject(self) -> RejectedRecords | None:
        """Return a reject as soon as there is one; None once KFC stops."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._rejects)
            return None if self._stopped else self._rejects.popleft()

    def complete(self, filled: Sequence[Filled]) -> None:
        """Finish the records that these keys' rows answer."""
        with self._changed:
            for result in filled:
                self._finish([ask.record for ask in self._flights.take_answered(result.key, result.at)])
                self._flights.complete(result.key)
                self._metrics.count(result.outcome)
            self._show_outstanding()
            self._changed.notify_all()

    def fail(self, failed: Sequence[Failed]) -> None:
        """Keep keys for another attempt, or make rejects of those that have used theirs up."""
        with self._changed:
            for result in failed:
                again = self._flights.fail(result.key, self._timer())
                attempts = self._flights.attempts(result.key)
                if again:
                    self._metrics.retries.labels(result.cause.kind.value).inc()
                    extra = {"key": result.key, "space": self._space, "cause": str(result.cause)}
                    self._log.info("attempt %d failed: %s; will retry", attempts, result.cause, extra=extra)
                else:
                    records = [ask.record for ask in self._flights.take_answered(result.key, result.at)]
                    self._rejects.append(RejectedRecords(records, result.cause, attempts, result))
            self._changed.notify_all()

    def kept(self, reject: RejectedRecords) -> None:
        """Finish the records of a reject whose dead letters are acknowledged."""
        with self._changed:
            self._finish(reject.records)
            self._show_outstanding()
            if reject.used_up is not None:
                self._flights.complete(reject.used_up.key)
            self._changed.notify_all()

    def committable(self) -> dict[int, int]:
        """Return the offsets to commit, by partition."""
        with self._changed:
            return self._watermarks.committable()

    def committed(self, offsets: Mapping[int, int]) -> None:
        """Take note that the topic keeps these offsets."""
        with self._changed:
            self._watermarks.committed(offsets)

    def stop(self) -> None:
        """Hand out nothing any more, and wake every thread that waits."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _finish(self, records: Sequence[Record]) -> None:
        for record in records:
            self._watermarks.finish(record.partition, record.offset)

    def _show_outstanding(self) -> None:
        # Once a call and not once a key: the sum is over all partitions.
        self._metrics.outstanding.set(self._watermarks.outstanding)

    def _is_roomy(self) -> bool:
        return self._room() * 2 >= self._limit

    def _room(self) -> int:
        if self._watermarks.uncommittable >= MAX_UNCOMMITTABLE:
            return 0
        return max(0, self._limit - self._watermarks.outstanding)
