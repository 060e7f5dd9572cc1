"""The Prometheus metrics of the look-up server; counted once a request, never once a key."""

from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from embark.topic import FillProducer
from embark_server.answered import Answered
from embark_server.times import SECONDS, Times

METHODS: Final = ("Lookup", "LookupStream", "Prefetch", "Put", "Invalidate", "Similar")
ROLES: Final = ("active", "previous")


class Metrics:
    """Registers the metrics with `registry`, once a process or a test."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self.answered = Answered(METHODS, ROLES)
        registry.register(self.answered)
        self.store_reads = Times("embark_store_read_seconds", "Time of one read of the store.")
        registry.register(self.store_reads)
        self.search_seconds = Histogram(
            "embark_similar_seconds", "Time of one search for neighbours.", registry=registry, buckets=SECONDS
        )
        self.store_failures = Counter("embark_store_failures", "Calls that the store failed.", registry=registry)
        self.unservable_rows = Counter(
            "embark_unservable_rows", "Rows of the store whose vector is not of the space's form.", registry=registry
        )
        self.refused = Counter("embark_refused_calls", "Calls refused as a whole.", ["code"], registry=registry)

    def count_shed(self) -> Callable[[str, int], None]:
        """Begin to count the misses that tenants had over their quotas; return what is told of them."""
        shed = Counter("embark_tenant_shed", "Misses over a tenant's quota.", ["tenant"], registry=self._registry)
        return lambda tenant, count: shed.labels(tenant).inc(count)

    def watch(self, name: str, documentation: str, read: Callable[[], float]) -> None:
        """Show a value that is read whenever the metrics are."""
        Gauge(name, documentation, registry=self._registry).set_function(read)

    def watch_producer(self, producer: FillProducer) -> None:
        """Show what the producer has in hand and what it has lost, whenever the metrics are read."""
        self.watch("embark_fills_pending", "Fills taken and not yet acknowledged.", producer.pending)
        self._registry.register(_LostFills(producer))


class _LostFills(Collector):
    """The producer's own counts."""

    def __init__(self, producer: FillProducer) -> None:
        self._producer = producer

    def collect(self) -> Iterable[Metric]:
        lost = self._producer.losses()
        yield CounterMetricFamily("embark_fills_shed", "Fills not taken, for want of room.", lost.shed)
        yield CounterMetricFamily("embark_fills_refused", "Fills that the topic would never take.", lost.refused)
        yield CounterMetricFamily("embark_fills_dropped", "Fills taken, and given up without an answer.", lost.dropped)
