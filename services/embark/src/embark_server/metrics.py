"""The Prometheus metrics of the lookup server, updated once per request, never once per key.

Lookups and reads of the store are counted by collectors written here. On a hot lookup of one key the library's Counter
and Histogram, which take eight locks, cost a fifth of all that EmbArk adds to gRPC; these take one.
"""

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from operator import sub
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from embark.counts import LookupTimes
from embark.statuses import KeyStatus
from embark.topic import FillProducer

METHODS: Final = ("Lookup", "LookupStream", "Prefetch", "Put", "Invalidate", "Similar")
ROLES: Final = ("active", "previous")

BUCKETS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""The upper bounds of the buckets, in seconds; there is one more bucket for longer times."""

_SUBDIVISIONS: Final = 8
FINE_BUCKETS: Final = (
    BUCKETS[0],
    *(
        bound
        for low, high in pairwise(BUCKETS)
        for bound in (*(low * (high / low) ** (step / _SUBDIVISIONS) for step in range(1, _SUBDIVISIONS)), high)
    ),
)
"""The same, with every bucket but the first subdivided: times that differ by a twelfth are in different buckets."""

_STATUS_COUNT: Final = len(KeyStatus)
# An attribute of an enum costs more than a constant.
_HIT: Final = int(KeyStatus.HIT)


class EmbArkMetrics:
    """Registers the metrics with `registry`, which must not have them yet."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self.lookups = LookupCounters(METHODS, ROLES)
        registry.register(self.lookups)
        self.store_reads = LatencyHistogram("embark_store_read_seconds", "Time of one read of the store.")
        registry.register(self.store_reads)
        self.search_seconds = Histogram(
            "embark_similar_seconds", "Time of one search for neighbours.", registry=registry, buckets=BUCKETS
        )
        self.store_failures = Counter("embark_store_failures", "Calls that the store failed.", registry=registry)
        self.unservable_rows = Counter(
            "embark_unservable_rows",
            "Rows of the store whose vector does not have the space's form.",
            registry=registry,
        )
        self.refused = Counter("embark_refused_calls", "Calls refused as a whole.", ["code"], registry=registry)

    def register_shed(self) -> Callable[[str, int], None]:
        """Register the counter of misses beyond a tenant's quota; return the function that adds to it."""
        shed = Counter("embark_tenant_shed", "Misses over a tenant's quota.", ["tenant"], registry=self._registry)
        return lambda tenant, count: shed.labels(tenant).inc(count)

    def watch(self, name: str, documentation: str, read: Callable[[], float]) -> None:
        """Register a gauge whose value is read at every scrape."""
        Gauge(name, documentation, registry=self._registry).set_function(read)

    def watch_producer(self, producer: FillProducer) -> None:
        """Register the producer's pending and lost records."""
        self.watch("embark_fills_pending", "Fills accepted and not yet acknowledged.", producer.pending)
        self._registry.register(_LostFills(producer))


class LookupCounters(Collector):
    """Counts keys by method, role of the space and status, and lookups by their latency; thread-safe."""

    def __init__(self, methods: Iterable[str], roles: Iterable[str]) -> None:
        self._lock = threading.Lock()
        self._keys = {(method, role): [0] * _STATUS_COUNT for method in methods for role in roles}
        self._hits = {role: self._keys["Lookup", role] for role in roles}
        self._times = [0] * (len(FINE_BUCKETS) + 1)
        self._waits = [0] * (len(FINE_BUCKETS) + 1)
        self._seconds = 0.0

    def count_hits(self, role: str, count: int, seconds: float) -> None:
        """Count a lookup of `count` keys, all of them HIT."""
        with self._lock:
            self._hits[role][_HIT] += count
            self._times[bisect_left(FINE_BUCKETS, seconds)] += 1
            self._seconds += seconds

    def count_statuses(self, method: str, role: str, statuses: bytes) -> None:
        """Count the statuses of one answer, one byte per key."""
        if statuses and statuses.count(statuses[0]) == len(statuses):
            # The common case, without a set.
            found = [(statuses[0], len(statuses))]
        else:
            found = [(status, statuses.count(status)) for status in set(statuses)]
        with self._lock:
            counts = self._keys[method, role]
            for status, count in found:
                counts[status] += count

    def count_seconds(self, seconds: float, *, waited: bool = False) -> None:
        """Count the latency of a lookup, and whether it `waited` for fills."""
        bucket = bisect_left(FINE_BUCKETS, seconds)
        with self._lock:
            self._times[bucket] += 1
            self._waits[bucket] += waited
            self._seconds += seconds

    def lookup_times(self) -> LookupTimes:
        """Return the latencies so far, except of lookups that waited for fills: they are as slow as the encoder."""
        with self._lock:
            counts = tuple(map(sub, self._times, self._waits))
        return LookupTimes(seconds=FINE_BUCKETS, counts=counts)

    def collect(self) -> Iterable[Metric]:
        """Return the current metrics."""
        with self._lock:
            keys = {labels: list(counts) for labels, counts in self._keys.items()}
            times, seconds = list(self._times), self._seconds
        answered = CounterMetricFamily("embark_keys", "Keys answered.", labels=["method", "space", "status"])
        for (method, role), counts in keys.items():
            for status in KeyStatus.known():
                answered.add_metric([method, role, status.name], counts[status])
        yield answered
        yield build_histogram("embark_lookup_seconds", "Time of one lookup in the server.", coarsen(times), seconds)


class LatencyHistogram(Collector):
    """A histogram over BUCKETS; thread-safe."""

    def __init__(self, name: str, documentation: str) -> None:
        self._name = name
        self._documentation = documentation
        self._lock = threading.Lock()
        self._counts = [0] * (len(BUCKETS) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one time."""
        with self._lock:
            self._counts[bisect_left(BUCKETS, seconds)] += 1
            self._sum += seconds

    def collect(self) -> Iterable[Metric]:
        """Return the current metric."""
        with self._lock:
            counts, total = list(self._counts), self._sum
        yield build_histogram(self._name, self._documentation, counts, total)


class _LostFills(Collector):
    def __init__(self, producer: FillProducer) -> None:
        self._producer = producer

    def collect(self) -> Iterable[Metric]:
        lost = self._producer.losses()
        yield CounterMetricFamily("embark_fills_shed", "Fills not accepted because the queue was full.", lost.shed)
        yield CounterMetricFamily("embark_fills_refused", "Fills that the topic can never accept.", lost.refused)
        yield CounterMetricFamily(
            "embark_fills_dropped", "Fills accepted and given up without acknowledgement.", lost.dropped
        )


def build_histogram(name: str, documentation: str, counts: Sequence[int], total: float) -> HistogramMetricFamily:
    """Return the metric for the count in each bucket of BUCKETS and beyond the last, and the sum of the times."""
    buckets, below = [], 0
    for bound, count in zip([*map(str, map(float, BUCKETS)), "+Inf"], counts, strict=True):
        below += count
        buckets.append((bound, float(below)))
    return HistogramMetricFamily(name, documentation, buckets=buckets, sum_value=total)


def coarsen(counts: Sequence[int]) -> Sequence[int]:
    """Return counts by FINE_BUCKETS as counts by BUCKETS."""
    starts = range(1, len(FINE_BUCKETS), _SUBDIVISIONS)
    return [counts[0], *(sum(counts[start : start + _SUBDIVISIONS]) for start in starts), counts[-1]]
