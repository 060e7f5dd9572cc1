"""What the services report on the second port of their pods: readiness, metrics, and EmbArk's counts."""

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
"""The metrics of one pod."""
_MAX_CONCURRENT_SCRAPES: Final = 8
_MAX_PODS_TRIED: Final = 3


class Services(Protocol):
    """Reads from pods; a pod that does not answer in time counts as reporting nothing."""

    def readiness(self, address: str) -> str:
        """Return why the pod at `address` is not ready; empty if it is, or does not answer."""
        ...

    def scrape(self, addresses: Sequence[str]) -> Sequence[str]:
        """Return the metrics of the pods that answer, in Prometheus' text format."""
        ...

    def entries(self, addresses: Sequence[str]) -> int | None:
        """Return how many embeddings the active space holds, from the first of these EmbArk pods that knows."""
        ...

    def progress(self, addresses: Sequence[str], space: str) -> ObservedProgress | None:
        """Return the progress of the re-embedding into `space`, from the first of these EmbArk pods that knows."""
        ...


class PodServices:
    """The Services of real pods, over HTTP on their probes port."""

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
        """Return the metrics of the pods that answer, in Prometheus' text format."""
        with ThreadPoolExecutor(_MAX_CONCURRENT_SCRAPES) as pool:
            return [text for text in pool.map(self._metrics, addresses) if text]

    def entries(self, addresses: Sequence[str]) -> int | None:
        """Return how many embeddings the active space holds."""
        counts = self._read_first(addresses, "/entries", SpaceEntries)
        return counts.entries if counts else None

    def progress(self, addresses: Sequence[str], space: str) -> ObservedProgress | None:
        """Return the progress of the re-embedding into `space`."""
        counts = self._read_first(addresses, f"/rollout/{space}", RolloutCounts)
        return ObservedProgress(counts.done, counts.failed) if counts else None

    def _read_first(self, addresses: Sequence[str], path: str, model: type[Counted]) -> Counted | None:
        # One after the other: once a pod has the counts, no other need count.
        for address in addresses[:_MAX_PODS_TRIED]:
            try:
                return self._client.get_json(address, path, model)
            except PodError:
                continue
        return None

    def _metrics(self, address: str) -> str:
        try:
            return self._client.get(address, "/metrics")
        except PodError:
            return ""


def read_samples(texts: Sequence[str]) -> Sequence[Samples]:
    """Parse the metrics of each pod."""
    return [[sample for family in text_string_to_metric_families(text) for sample in family.samples] for text in texts]


def sum_samples(pods: Sequence[Samples], metric: str, label: str, **where: str) -> dict[str, float]:
    """Return a metric's sum over pods for each value of `label`, of the samples with the labels `where`."""
    sums: dict[str, float] = {}
    for samples in pods:
        for sample in samples:
            if sample.name == metric and where.items() <= sample.labels.items():
                value = sample.labels.get(label, "")
                sums[value] = sums.get(value, 0.0) + sample.value
    return sums
