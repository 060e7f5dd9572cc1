"""Fills a group of keys: skip what the store has, encode the rest, write the rows; called on the filling threads."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from embark.causes import Cause
from embark.clock import Clock, Micros
from embark.settings import KfcSettings
from embark.store import EmbeddingStore, Row
from kfc.calls import Calls, Timer
from kfc.encoder import EncoderClient
from kfc.fill.in_flight import Task
from kfc.metrics import FillOutcome, KfcMetrics
from kfc.outages import Outages, Server
from kfc.rows import build_row

# Nobody waits for a fill as a look-up waits; a store that takes longer than this is in an outage.
READ_TIMEOUT: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Filled:
    """A key that has its row, written for an encode that began at `at`."""

    key: str
    at: Micros
    outcome: FillOutcome


@dataclass(frozen=True, slots=True)
class Failed:
    """A key whose encode, begun at `at`, failed for a cause that may pass."""

    key: str
    at: Micros
    cause: Cause


class Filler:
    """Stateless between calls; waits out every outage (StoppedError when KFC stops meanwhile)."""

    def __init__(
        self,
        settings: KfcSettings,
        store: EmbeddingStore,
        encoder: EncoderClient,
        *,
        outages: Outages,
        metrics: KfcMetrics,
        clock: Clock,
        timer: Timer,
    ) -> None:
        self._settings: Final = settings
        self._space: Final = settings.space.id
        self._store: Final = store
        self._outages: Final = outages
        self._calls: Final = Calls(
            self._space, store, encoder, outages=outages, metrics=metrics, clock=clock, timer=timer
        )

    def skip(self, tasks: Sequence[Task]) -> tuple[Sequence[Filled], Sequence[Task]]:
        """Return the tasks that the store's rows answer already, and the rest."""
        keys = [task.key for task in tasks]
        rows = self._outages.retry_until_up(Server.STORE, lambda: self._store.read(self._space, keys, READ_TIMEOUT))
        skipped, rest = [], []
        for task in tasks:
            row = rows.get(task.key)
            if row is not None and row.written_at >= task.not_before:
                skipped.append(Filled(task.key, row.written_at, FillOutcome.SKIPPED))
            else:
                rest.append(task)
        return skipped, rest

    def encode(self, tasks: Sequence[Task]) -> Sequence[Filled | Failed]:
        """Encode the tasks in one call and write the rows that come of it; a failed write is repeated by itself."""
        trace = next((task.traceparent for task in tasks if task.traceparent), None)
        began, outcomes = self._calls.encode([task.key for task in tasks], trace)
        rows: list[Row] = []
        results: list[Filled | Failed] = []
        for task, outcome in zip(tasks, outcomes, strict=True):
            # This encode began after the request was consumed. Where the asking host's clock is ahead of this one, the
            # row is dated just after the request: or the delete that came with the request would swallow it.
            at = max(began, task.not_before + 1)
            if isinstance(outcome, Cause) and not outcome.permanent:
                results.append(Failed(task.key, at, outcome))
                continue
            rows.append(build_row(task.key, outcome, at, self._settings))
            negative = isinstance(outcome, Cause)
            results.append(Filled(task.key, at, FillOutcome.NEGATIVE if negative else FillOutcome.WRITTEN))
        self.write(rows)
        return results

    def write(self, rows: Sequence[Row]) -> None:
        """Write rows, if there are any, until the store acknowledges them."""
        self._calls.write(rows)
