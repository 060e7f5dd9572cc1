"""Fills a group of keys: skips what the store has, encodes the rest and writes the rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from embark.causes import Cause
from embark.clock import Micros
from embark.settings import KfcSettings
from embark.store import EmbeddingStore, Row
from kfc.calls import FillCalls
from kfc.encoder import EncoderClient
from kfc.fill.in_flight import Task
from kfc.metrics import FillOutcome
from kfc.outages import Server
from kfc.rows import build_row
from kfc.runtime import KfcRuntime

# Longer than of a lookup: no caller waits for a fill. A store that takes longer has an outage.
READ_TIMEOUT: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Filled:
    """A key whose row was written for an encode that began at `at`."""

    key: str
    at: Micros
    outcome: FillOutcome


@dataclass(frozen=True, slots=True)
class Failed:
    """A key whose encode began at `at` and failed for a temporary cause."""

    key: str
    at: Micros
    cause: Cause


class Filler:
    """Fills keys, waiting out outages; stateless between calls. Raises StoppedError if KFC stops first."""

    def __init__(
        self,
        settings: KfcSettings,
        store: EmbeddingStore,
        encoder: EncoderClient,
        runtime: KfcRuntime,
    ) -> None:
        self._settings = settings
        self._space = settings.space.id
        self._store = store
        self._outages = runtime.outages
        self._calls = FillCalls(self._space, store, encoder, runtime)

    def skip(self, tasks: Sequence[Task]) -> tuple[Sequence[Filled], Sequence[Task]]:
        """Return the tasks that rows of the store already answer, and the rest."""
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
        """Encode the tasks in one call and write their rows; a failed write is retried without another encode."""
        trace = next((task.traceparent for task in tasks if task.traceparent), None)
        began, outcomes = self._calls.encode([task.key for task in tasks], trace)
        rows: list[Row] = []
        results: list[Filled | Failed] = []
        for task, outcome in zip(tasks, outcomes, strict=True):
            # This encode began after the request was consumed. If the clock of the requesting host is ahead of this
            # one, the row is dated just after the request, or the delete that came with the request would hide it.
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
        """Write the rows, if any, until the store acknowledges them."""
        self._calls.write(rows)
