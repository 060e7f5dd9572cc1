"""What the services say of themselves: `/readyz` and `/metrics` of their pods, and the size of a space by gRPC."""

import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from typing import Final, Generic, Protocol, TypeVar

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from embark.client import EmbArkClient
from embark.errors import EmbArkError
from embark_operator.rollouts.seen import ProgressSeen

T = TypeVar("T")
Samples = Sequence[Sample]
"""What one pod counted."""
_SECONDS: Final = 2.0
_ENTRIES_SECONDS: Final = 30.0
_PROGRESS_SECONDS: Final = 2.0
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

    def progress(self, target: str, space: str) -> ProgressSeen | None:
        """Return how far the re-embedding into `space` is, from the EmbArk at `target`; None: no answer."""
        ...


class PodServices:
    """The Services of real pods, by HTTP on their probes port; counts that a store has to make are kept for a while."""

    def __init__(self, probes_port: int, monotonic: Callable[[], float]) -> None:
        self._port: Final = probes_port
        self._entries: Final[Recent[int]] = Recent(_ENTRIES_SECONDS, monotonic)
        self._progress: Final[Recent[ProgressSeen]] = Recent(_PROGRESS_SECONDS, monotonic)

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
        return self._entries.get(target, lambda: _ask(target, lambda client: client.describe().entries))

    def progress(self, target: str, space: str) -> ProgressSeen | None:
        """Return what the checkpoints of the space say."""

        def ask(client: EmbArkClient) -> ProgressSeen:
            told = client.describe_rollout(space)
            return ProgressSeen(told.done, told.failed)

        return self._progress.get(f"{target} {space}", lambda: _ask(target, ask))

    def _metrics(self, address: str) -> str:
        try:
            return self._get(address, "/metrics")
        except (OSError, HTTPException):
            return ""

    def _get(self, address: str, path: str) -> str:
        host = f"[{address}]" if ":" in address else address
        with urllib.request.urlopen(f"http://{host}:{self._port}{path}", timeout=_SECONDS) as answer:
            return str(answer.read(_MOST_BYTES).decode(errors="replace"))


class Recent(Generic[T]):
    """Values by name, each asked for anew once it is `seconds` old; an answer of None is not kept. Thread-safe."""

    def __init__(self, seconds: float, monotonic: Callable[[], float]) -> None:
        self._seconds: Final = seconds
        self._monotonic: Final = monotonic
        self._values: Final[dict[str, tuple[float, T]]] = {}

    def get(self, name: str, ask: Callable[[], T | None]) -> T | None:
        """Return the value that is known of `name`, or what `ask` returns."""
        known = self._values.get(name)
        if known and self._monotonic() - known[0] < self._seconds:
            return known[1]
        value = ask()
        if value is not None:
            self._values[name] = (self._monotonic(), value)
        return value


def _ask(target: str, question: Callable[[EmbArkClient], T]) -> T | None:
    try:
        with EmbArkClient(target, timeout=_SECONDS) as client:
            return question(client)
    except EmbArkError:
        return None


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
