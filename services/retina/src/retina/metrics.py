"""RetinaMetrics: the Prometheus metrics of Retina."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from embark.causes import CauseKind

_RUN_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_FETCH_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SIZE_BUCKETS = (1, 2, 4, 8, 16, 32, 64)

EMBEDDED = "embedded"


class RetinaMetrics:
    """Counters and histograms; every method of its members is thread-safe."""

    def __init__(self, registry: CollectorRegistry) -> None:
        encodes = Counter(
            "embark_retina_encodes_total",
            "Items answered, by outcome: embedded, or the kind of cause.",
            ["outcome"],
            registry=registry,
        )
        # Labels are resolved once: looking one up costs more than counting.
        self.embedded = encodes.labels(EMBEDDED)
        self.causes = {kind: encodes.labels(kind.value) for kind in CauseKind}
        self.fetch_seconds = Histogram(
            "embark_retina_fetch_seconds",
            "Time of one HTTP request that was answered.",
            buckets=_FETCH_BUCKETS,
            registry=registry,
        )
        self.prepare_seconds = Histogram(
            "embark_retina_prepare_seconds",
            "Time to decode and preprocess one item.",
            buckets=_RUN_BUCKETS,
            registry=registry,
        )
        self.run_seconds = Histogram(
            "embark_retina_run_seconds", "Time of one run of the model.", buckets=_RUN_BUCKETS, registry=registry
        )
        self.batch_size = Histogram(
            "embark_retina_batch_size", "Items in one run of the model.", buckets=_SIZE_BUCKETS, registry=registry
        )
        self.queue_length = Gauge("embark_retina_queue_length", "Items waiting for a runner.", registry=registry)
