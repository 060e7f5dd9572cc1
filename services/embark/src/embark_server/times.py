"""How long something took, counted for Prometheus at a fraction of what the library's own Histogram costs a call."""

import threading
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

SECONDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""The upper bounds of the buckets; what took longer than the last has a bucket of its own."""

_FINER: Final = 8
FINE_SECONDS: Final = (
    SECONDS[0],
    *(
        bound
        for low, high in pairwise(SECONDS)
        for bound in (*(low * (high / low) ** (part / _FINER) for part in range(1, _FINER)), high)
    ),
)
"""The same, with each but the first bucket divided: a twelfth more is another bucket."""


class Times(Collector):
    """Counts times by the buckets of SECONDS; thread-safe."""

    def __init__(self, name: str, documentation: str) -> None:
        self._name = name
        self._documentation = documentation
        self._lock = threading.Lock()
        self._counts = [0] * (len(SECONDS) + 1)
        self._sum = 0.0

    def count(self, seconds: float) -> None:
        """Count one time."""
        with self._lock:
            self._counts[bisect_left(SECONDS, seconds)] += 1
            self._sum += seconds

    def collect(self) -> Iterable[Metric]:
        """Return the metric as it is now; called by the registry."""
        with self._lock:
            counts, total = list(self._counts), self._sum
        yield build_histogram(self._name, self._documentation, counts, total)


def build_histogram(name: str, documentation: str, counts: Sequence[int], total: float) -> HistogramMetricFamily:
    """Return the metric of the times in each bucket of SECONDS, and beyond the last, and of their sum."""
    buckets, below = [], 0
    for bound, count in zip([*map(str, map(float, SECONDS)), "+Inf"], counts, strict=True):
        below += count
        buckets.append((bound, float(below)))
    return HistogramMetricFamily(name, documentation, buckets=buckets, sum_value=total)


def coarsen(counts: Sequence[int]) -> Sequence[int]:
    """Return the counts by SECONDS of counts by FINE_SECONDS."""
    parts = range(1, len(FINE_SECONDS), _FINER)
    return [counts[0], *(sum(counts[part : part + _FINER]) for part in parts), counts[-1]]
