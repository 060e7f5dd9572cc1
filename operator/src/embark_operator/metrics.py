"""The Prometheus metrics of the operator."""

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class OperatorMetrics:
    """The operator's metrics, registered with `registry`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.passes = Counter(
            "embark_operator_passes", "Reconciles of a cache, by their outcome.", ["result"], registry=registry
        )
        self.pass_seconds = Histogram(
            "embark_operator_pass_seconds", "Seconds of one reconcile.", registry=registry, buckets=_SECONDS
        )
        self.writes = Counter(
            "embark_operator_writes", "Writes to the Kubernetes API.", ["verb", "kind"], registry=registry
        )
        self.leading = Gauge("embark_operator_leading", "1 while this operator holds the lease.", registry=registry)
        self._queued = Gauge("embark_operator_queued_caches", "Caches that wait for a reconcile.", registry=registry)
        self._caches = Gauge("embark_operator_caches", "Caches of the cluster.", registry=registry)

    def watch(self, queued: Callable[[], int], caches: Callable[[], int]) -> None:
        """Read the queued and the known caches from these whenever metrics are scraped."""
        self._queued.set_function(queued)
        self._caches.set_function(caches)

    def count_write(self, verb: str, kind: str) -> None:
        """Count one write to the Kubernetes API."""
        self.writes.labels(verb, kind).inc()
