"""Counts of what was answered, for Prometheus: one lock and a few additions a request, where its own types take eight.

On a hot look-up of one key the library's Counter and Histogram cost a fifth of all that EmbArk adds to gRPC.
"""

import threading
from bisect import bisect_left
from collections.abc import Iterable
from operator import sub
from typing import Final

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from embark.counts import LookupTimes
from embark.statuses import KeyStatus
from embark_server.times import FINE_SECONDS, build_histogram, coarsen

_STATUSES: Final = len(KeyStatus)


class Answered(Collector):
    """Counts keys by method, role of the space and status, and look-ups by the seconds they took."""

    def __init__(self, methods: Iterable[str], roles: Iterable[str]) -> None:
        self._lock = threading.Lock()
        self._keys = {(method, role): [0] * _STATUSES for method in methods for role in roles}
        self._hits = {role: self._keys["Lookup", role] for role in roles}
        self._times = [0] * (len(FINE_SECONDS) + 1)
        self._waits = [0] * (len(FINE_SECONDS) + 1)
        self._seconds = 0.0

    def count_hits(self, role: str, count: int, seconds: float) -> None:
        """Count a look-up of `count` keys that were all HIT."""
        with self._lock:
            self._hits[role][KeyStatus.HIT] += count
            self._times[bisect_left(FINE_SECONDS, seconds)] += 1
            self._seconds += seconds

    def count_statuses(self, method: str, role: str, statuses: bytes) -> None:
        """Count the answer to one request: its statuses, one byte a key."""
        if statuses and statuses.count(statuses[0]) == len(statuses):
            # As most answers are: no set is made.
            found = [(statuses[0], len(statuses))]
        else:
            found = [(status, statuses.count(status)) for status in set(statuses)]
        with self._lock:
            counts = self._keys[method, role]
            for status, count in found:
                counts[status] += count

    def count_seconds(self, seconds: float, *, waited: bool = False) -> None:
        """Count a look-up by the time it took; it `waited` for fills or not."""
        bucket = bisect_left(FINE_SECONDS, seconds)
        with self._lock:
            self._times[bucket] += 1
            self._waits[bucket] += waited
            self._seconds += seconds

    def lookup_times(self) -> LookupTimes:
        """Return how long look-ups took so far, but for those that waited for fills: these take as long as encoders."""
        with self._lock:
            counts = tuple(map(sub, self._times, self._waits))
        return LookupTimes(seconds=FINE_SECONDS, counts=counts)

    def collect(self) -> Iterable[Metric]:
        """Return the metrics as they are now; called by the registry."""
        with self._lock:
            keys = {labels: list(counts) for labels, counts in self._keys.items()}
            times, seconds = list(self._times), self._seconds
        answered = CounterMetricFamily("embark_keys", "Keys answered.", labels=["method", "space", "status"])
        for (method, role), counts in keys.items():
            for status in KeyStatus.known():
                answered.add_metric([method, role, status.name], counts[status])
        yield answered
        yield build_histogram("embark_lookup_seconds", "Time of one look-up in the server.", coarsen(times), seconds)
