"""What the services say of themselves: `/readyz` and `/metrics` of their pods, and the size of a space by gRPC."""

import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from typing import Final, Protocol

from prometheus_client.parser import text_string_to_metric_families

from embark.client import EmbArkClient
from embark.errors import EmbArkError

_SECONDS: Final = 2.0
_AT_ONCE: Final = 8
_MOST_BYTES: Final = 4 << 20


class Services(Protocol):
    """Asks pods; what does not answer in time counts as having said nothing."""

    def readiness(self, address: str) -> str:
        """Return why the pod at `address` is not ready; empty: it is, or does not answer."""
        ...

    def scrape(self, addresses: Sequence[str]) -> Sequence[str]:
        """Return the metrics of those pods that answer, in Prometheus' text format."""
        ...

    def entries(self, target: str) -> int | None:
        """Return how many embeddings the active space of the EmbArk at `target` holds; None: no answer."""
        ...


class PodServices:
    """The Services of real pods, by HTTP on their probes port."""

    def __init__(self, probes_port: int) -> None:
        self._port = probes_port

    def readiness(self, address: str) -> str:
        """Return why the pod is not ready."""
        try:
            self._get(address, "/readyz")
        except urllib.error.HTTPError as error:
            with error:
                return error.read(_MOST_BYTES).decode(errors="replace").strip()
        except (OSError, HTTPException):
            return ""
        return ""

    def scrape(self, addresses: Sequence[str]) -> Sequence[str]:
        """Return the metrics of those pods that answer."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return [text for text in pool.map(self._metrics, addresses) if text]

    def entries(self, target: str) -> int | None:
        """Return the entries of the active space."""
        try:
            with EmbArkClient(target, timeout=_SECONDS) as client:
                return client.describe().entries
        except EmbArkError:
            return None

    def _metrics(self, address: str) -> str:
        try:
            return self._get(address, "/metrics")
        except (OSError, HTTPException):
            return ""

    def _get(self, address: str, path: str) -> str:
        host = f"[{address}]" if ":" in address else address
        with urllib.request.urlopen(f"http://{host}:{self._port}{path}", timeout=_SECONDS) as answer:
            return str(answer.read(_MOST_BYTES).decode(errors="replace"))


def sum_samples(texts: Sequence[str], metric: str, label: str, **where: str) -> dict[str, float]:
    """Return a metric's sum over pods by the value of `label`, of the samples whose labels are as `where` says."""
    sums: dict[str, float] = {}
    for text in texts:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == metric and where.items() <= sample.labels.items():
                    value = sample.labels.get(label, "")
                    sums[value] = sums.get(value, 0.0) + sample.value
    return sums
