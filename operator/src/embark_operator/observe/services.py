"""What the services say of themselves on the second port of their pods: readiness, metrics, and EmbArk's counts.

That port is plain HTTP also where the first one asks for certificates, of which the operator has none.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol, TypeVar

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from embark.counts import RolloutCounts, SpaceEntries
from embark.pods import PodClient, PodError, PodStatusError
from embark.rollout.step import ObservedProgress
from embark.spec.model import Model

Counted = TypeVar("Counted", bound=Model)
Samples = Sequence[Sample]
"""What one pod counted."""
_AT_ONCE: Final = 8
_MAX_PODS: Final = 3


class Services(Protocol):
    """Asks pods; what does not answer in time counts as having said nothing."""

    def readiness(self, address: str) -> str:
        """Return why the pod at `address` is not ready; empty: it is, or does not answer."""
        ...

    def scrape(self, addresses: Sequence[str]) -> Sequence[str]:
        """Return the metrics of those pods that answer, in Prometheus' text format."""
        ...

    def entries(self, addresses: Sequence[str]) -> int | None:
        """Return how many embeddings the active space holds, by the first of these EmbArk pods that knows."""
        ...

    def progress(self, addresses: Sequence[str], space: str) -> ObservedProgress | None:
        """Return how far the re-embedding into `space` is, by the first of these EmbArk pods that knows."""
        ...


class PodServices:
    """The Services of real pods, by HTTP on their probes port."""

    def __init__(self, probes_port: int) -> None:
        self._client = PodClient(probes_port)

    def readiness(self, address: str) -> str:
        """Return why the pod is not ready."""
        try:
            self._client.get(address, "/readyz")
        except PodStatusError as error:
            return error.text
        except PodError:
            return ""
        return ""

    def scrape(self, addresses: Sequence[str]) -> Sequence[str]:
        """Return the metrics of those pods that answer."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return [text for text in pool.map(self._metrics, addresses) if text]

    def entries(self, addresses: Sequence[str]) -> int | None:
        """Return the entries of the active space."""
        told = self._first(addresses, "/entries", SpaceEntries)
        return told.entries if told else None

    def progress(self, addresses: Sequence[str], space: str) -> ObservedProgress | None:
        """Return what the checkpoints of the space say."""
        told = self._first(addresses, f"/rollout/{space}", RolloutCounts)
        return ObservedProgress(told.done, told.failed) if told else None

    def _first(self, addresses: Sequence[str], path: str, form: type[Counted]) -> Counted | None:
        # One after the other: what one pod has counted, no other need count too.
        for address in addresses[:_MAX_PODS]:
            try:
                return self._client.get_json(address, path, form)
            except PodError:
                continue
        return None

    def _metrics(self, address: str) -> str:
        try:
            return self._client.get(address, "/metrics")
        except PodError:
            return ""


def read_samples(texts: Sequence[str]) -> Sequence[Samples]:
    """Return the samples of each of these metrics."""
    return [[sample for family in text_string_to_metric_families(text) for sample in family.samples] for text in texts]


def sum_samples(pods: Sequence[Samples], metric: str, label: str, **where: str) -> dict[str, float]:
    """Return a metric's sum over pods by the value of `label`, of the samples whose labels are as `where` says."""
    sums: dict[str, float] = {}
    for samples in pods:
        for sample in samples:
            if sample.name == metric and where.items() <= sample.labels.items():
                value = sample.labels.get(label, "")
                sums[value] = sums.get(value, 0.0) + sample.value
    return sums
