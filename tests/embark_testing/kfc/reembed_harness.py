"""Re-embeddings on a given store, with a scripted encoder, and processes that die at any call."""

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import TypeVar

import numpy as np
from prometheus_client import CollectorRegistry

from embark.causes import Cause, CauseKind
from embark.errors import UnavailableError
from embark.retries import Backoff
from embark.settings import KfcSettings
from embark.store import (
    Checkpoints,
    Embedding,
    KeyPage,
    Negative,
    Page,
    RangeProgress,
    RolloutStore,
    Row,
    Served,
    TokenRange,
)
from embark.store import split_ring as split
from embark_testing.fake_clock import FakeClock
from embark_testing.faults import FaultyStore
from embark_testing.kfc.parts import FakeEncoder, kfc_settings
from kfc.encoder import EncodedVector, EncoderClient
from kfc.metrics import KfcMetrics
from kfc.outages import Outages
from kfc.reembed.lookup_times import LookupLatencySource
from kfc.reembed.options import ReembedLimits, ReembedOptions
from kfc.reembed.reembedding import Reembedding
from kfc.runtime import KfcRuntime

T = TypeVar("T")
SOURCE = "5005005005aa"
PATIENT = timedelta(seconds=5)
UNDECODABLE = Cause(CauseKind.UNDECODABLE, "not an image")
BLOCKED = Cause(CauseKind.BLOCKED, "a private address")


class ReembedHarness:
    """A source and a candidate in `store`; each `run` is a process of its own."""

    def __init__(self, store: RolloutStore, clock: FakeClock, settings: KfcSettings | None = None) -> None:
        self.settings = (settings or kfc_settings()).model_copy(update={"source": SOURCE})
        self.space = self.settings.space.id
        self.clock = clock
        self.store = store
        for space in (SOURCE, self.space):
            store.ensure_space(space)
        self.encoder = FakeEncoder()
        self.stopping = threading.Event()
        self.progress: list[tuple[int, int]] = []
        self.limits = ReembedLimits()

    def outages(self) -> Outages:
        return Outages(Backoff(0.001, 0.004, lambda: 0.5), self.stopping, KfcMetrics(CollectorRegistry()))

    def reembedding(
        self,
        store: RolloutStore | None = None,
        encoder: EncoderClient | None = None,
        *,
        keys_per_second: float = 0,
        lookups: LookupLatencySource | None = None,
        retry_failed: bool = False,
    ) -> Reembedding:
        options = ReembedOptions(
            keys_per_second=keys_per_second,
            lookups=lookups,
            slowdown=2,
            retry_failed=retry_failed,
            on_progress=lambda done, failed: self.progress.append((done, failed)),
            limits=self.limits,
        )
        runtime = KfcRuntime(self.outages(), clock=self.clock)
        return Reembedding(self.settings, store or self.store, encoder or self.encoder, runtime, options)

    def run(self, parts: int = 4, *, retry_failed: bool = False) -> None:
        self.reembedding(retry_failed=retry_failed).run(split(parts))

    def fill(self, count: int, prefix: str = "key") -> list[str]:
        """Write embeddings to the source and return their keys."""
        keys = [f"{prefix} {i}" for i in range(count)]
        self.store.write(SOURCE, [Embedding(key, b"old", 1) for key in keys])
        return keys

    def fill_negative(self, key: str, cause: Cause) -> Negative:
        """Write a negative to the source."""
        row = Negative(key, cause, 7, self.clock.at + 10**12)
        self.store.write(SOURCE, [row])
        return row

    def rows(self) -> dict[str, Row]:
        """Return the rows of the candidate."""
        return {row.key: row for page in self.store.scan(self.space) for row in page}

    def counts(self) -> tuple[int, int]:
        """Return the done and failed keys of all checkpoints."""
        progress = self.store.checkpoints().load(self.space)
        return sum(one.done for one in progress), sum(one.failed for one in progress)

    def finished(self) -> bool:
        return all(one.finished for one in self.store.checkpoints().load(self.space))


class FiniteEncoder(FakeEncoder):
    """Encodes each key as different finite numbers; the vectors of FakeEncoder are arbitrary bytes."""

    def encode(self, keys: Sequence[str], traceparent: str | None) -> Sequence[EncodedVector | Cause]:
        outcomes = super().encode(keys, traceparent)
        return [EncodedVector(_finite(one.vector)) if isinstance(one, EncodedVector) else one for one in outcomes]


def _finite(vector: bytes) -> bytes:
    return np.frombuffer(vector, "<u4").astype("<f4").tobytes()


class KilledError(Exception):
    """The process died at this call; none of its later calls takes effect."""


class Life:
    """Dies at the `calls`-th call, before or after it takes effect."""

    def __init__(self, calls: int, *, after: bool) -> None:
        self._calls = calls
        self._after = after
        self._lock = threading.Lock()
        self.count = 0

    def live(self, call: Callable[[], T]) -> T:
        with self._lock:
            self.count += 1
            number = self.count
        if number > self._calls or (number == self._calls and not self._after):
            raise KilledError
        result = call()
        if number == self._calls:
            raise KilledError
        return result


class MortalEncoder:
    """An encoder of a process that dies."""

    def __init__(self, encoder: EncoderClient, life: Life) -> None:
        self._encoder = encoder
        self._life = life

    def encode(self, keys: Sequence[str], traceparent: str | None) -> Sequence[EncodedVector | Cause]:
        return self._life.live(lambda: self._encoder.encode(keys, traceparent))


class MortalStore(FaultyStore):
    """The store of a process that dies; only methods that the re-embedding uses count as calls."""

    def __init__(self, store: RolloutStore, life: Life) -> None:
        super().__init__(store)
        self._rollout_store = store
        self._life = life

    def lookup(self, space: str, keys: Sequence[str], timeout: timedelta) -> dict[str, Served]:
        return self._life.live(lambda: self._rollout_store.lookup(space, keys, timeout))

    def write(self, space: str, rows: Sequence[Row]) -> None:
        self._life.live(lambda: self._rollout_store.write(space, rows))

    def scan_range(self, space: str, within: TokenRange, page: int = 1000) -> Iterator[Page]:
        pages = self._rollout_store.scan_range(space, within, page)
        while (found := self._life.live(lambda: next(pages, None))) is not None:
            yield found

    def scan_keys(self, space: str, within: TokenRange, page: int = 1000) -> Iterator[KeyPage]:
        pages = self._rollout_store.scan_keys(space, within, page)
        while (found := self._life.live(lambda: next(pages, None))) is not None:
            yield found

    def checkpoints(self) -> Checkpoints:
        return _MortalCheckpoints(self._rollout_store.checkpoints(), self._life)

    def drop_space(self, space: str) -> None:
        self._rollout_store.drop_space(space)


class _MortalCheckpoints:
    def __init__(self, checkpoints: Checkpoints, life: Life) -> None:
        self._checkpoints = checkpoints
        self._life = life

    def save(self, space: str, progress: RangeProgress, *, first: bool = False) -> bool:
        return self._life.live(lambda: self._checkpoints.save(space, progress, first=first))

    def load(self, space: str) -> Sequence[RangeProgress]:
        return self._life.live(lambda: self._checkpoints.load(space))

    def drop(self, space: str) -> None:
        self._checkpoints.drop(space)


class FlakyLife(Life):
    """Fails every third call like a server in an outage, before or after it takes effect."""

    def __init__(self) -> None:
        super().__init__(0, after=False)

    def live(self, call: Callable[[], T]) -> T:
        with self._lock:
            self.count += 1
            number = self.count
        if number % 6 == 0:
            raise UnavailableError("store", "down before the call")
        result = call()
        if number % 3 == 0:
            raise UnavailableError("store", "down after the call")
        return result
