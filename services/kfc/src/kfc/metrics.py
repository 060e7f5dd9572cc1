"""The Prometheus metrics of KFC."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from embark.causes import Cause, CauseKind

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_ITEMS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class FillOutcome(StrEnum):
    """The outcome of a fill."""

    WRITTEN = "written"
    SKIPPED = "skipped"
    NEGATIVE = "negative"
    DEAD_LETTERED = "dead-lettered"


class KfcMetrics:
    """The metrics, registered with `registry`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.fills = Counter(
            "embark_kfc_fills",
            "Fills by outcome: keys that were written, skipped or negative; records that were dead-lettered.",
            ["outcome"],
            registry=registry,
        )
        self.encodes = Counter("embark_kfc_encodes", "Keys that Retina answered for.", registry=registry)
        self._causes = Counter(
            "embark_kfc_causes", "Keys that Retina had no embedding for, by cause.", ["cause"], registry=registry
        )
        self._dead_letters = Counter(
            "embark_kfc_dead_letters", "Records that were dead-lettered, by cause.", ["cause"], registry=registry
        )
        self.retries = Counter(
            "embark_kfc_retries",
            "Retries by reason: a key's cause, or the server that did not answer.",
            ["reason"],
            registry=registry,
        )
        self.inflight = Gauge("embark_kfc_inflight", "Encode calls in flight.", registry=registry)
        self.outstanding = Gauge("embark_kfc_outstanding_records", "Records that are not finished.", registry=registry)
        self.lag = Gauge("embark_kfc_lag", "Records of the topic that are not committed.", registry=registry)
        self.encode_seconds = Histogram(
            "embark_kfc_encode_seconds", "Time of one Encode call.", registry=registry, buckets=_SECONDS
        )
        self.write_seconds = Histogram(
            "embark_kfc_write_seconds", "Time of one write to the store.", registry=registry, buckets=_SECONDS
        )
        self.batch_items = Histogram(
            "embark_kfc_batch_items", "Keys of one Encode call.", registry=registry, buckets=_ITEMS
        )
        for outcome in FillOutcome:
            self.fills.labels(outcome)
        for kind in CauseKind:
            self._causes.labels(kind.value)
            self._dead_letters.labels(kind.value)
            self.retries.labels(kind.value)

    def count(self, outcome: FillOutcome, fills: int = 1) -> None:
        """Count fills by their outcome."""
        self.fills.labels(outcome).inc(fills)

    def count_encodes(self, outcomes: Iterable[object]) -> None:
        """Count the results of one Encode call: causes and embeddings."""
        for outcome in outcomes:
            self.encodes.inc()
            if isinstance(outcome, Cause):
                self._causes.labels(outcome.kind.value).inc()

    def count_dead_letter(self, cause: Cause) -> None:
        """Count a record that became a dead letter."""
        self.count(FillOutcome.DEAD_LETTERED)
        self._dead_letters.labels(cause.kind.value).inc()
