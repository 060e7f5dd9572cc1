"""Carries out the state of a rollout in one process: threads in place of pods and Jobs, level-triggered."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol

from embark.rollout.filling import PAUSED
from embark.rollout.state import RolloutPhase, RolloutState
from embark.rollout.step import ObservedJob, ObservedProgress, ObservedRollout
from embark.rollout.verdict import Verdict
from embark.settings import EmbArkSettings, FillingSettings, KfcSettings
from embark.spec import EmbeddingCache
from embark.spec.rollout import Rollout
from embark.spec.status import SpaceRecord
from embark_local.fillings import Filling
from embark_local.progress import Progress
from embark_local.scan import Scan
from embark_local.space_settings import filling_settings, serving_settings
from embark_local.tasks import LocalTask, StartTask
from kfc.outages import Outages

# The wait before a Retina that could not start is started again.
_RESTART_AFTER: Final = timedelta(seconds=15)
# Counting the rows of the active space takes at most this share of the time.
_COUNTING_SHARE: Final = 0.02


class RolloutWork(Protocol):
    """What a rollout does in this process; LocalContext is the real one."""

    def new_outages(self, stopping: threading.Event) -> Outages:
        """Return Outages that wait until `stopping` is set."""
        ...

    def count(self, outages: Outages, space: str) -> int:
        """Return the number of embeddings in a space."""
        ...

    def start_filling(self, outages: Outages, settings: FillingSettings, source: str) -> None:
        """Start the Retina and the KFC of a space, which is a candidate if it has a `source`."""
        ...

    def find_filling(self, space: str) -> Filling | None:
        """Return the running Retina and KFC of a space."""
        ...

    def filled_spaces(self) -> frozenset[str]:
        """Return the spaces that have a Retina and a KFC."""
        ...

    def stop_filling(self, space: str) -> None:
        """Stop the Retina and the KFC of a space."""
        ...

    def fills_behind(self, outages: Outages, candidate: str, source: str) -> int:
        """Return how many fills the KFC of `source` has consumed and that of `candidate` has not."""
        ...

    def scan(self, outages: Outages, scan: Scan, on_progress: Callable[[Progress], None]) -> float:
        """Re-embed every key that the candidate lacks; return the keys per second, 0 if there were none."""
        ...

    def verify(self, outages: Outages, settings: KfcSettings, gate: Rollout) -> Verdict:
        """Return the verdict on a candidate; if `gate` rejects it, the next scan is a full one."""
        ...

    def drop(self, outages: Outages, space: str) -> None:
        """Delete everything of a space that nothing reads or fills."""
        ...


class ServedSpaceIds(NamedTuple):
    """The spaces that EmbArk serves, by id."""

    active: str
    previous: str = ""

    @classmethod
    def wanted_by(cls, state: RolloutState) -> "ServedSpaceIds":
        """Return what EmbArk serves once a state is carried out."""
        previous = state.spaces.previous
        return cls(state.active.id, previous.id if previous else "")


class _Start(NamedTuple):
    settings: FillingSettings
    begun: datetime
    task: LocalTask[None]


class _Scanning(NamedTuple):
    scan: Scan
    task: LocalTask[float]


class Carrier:
    """Starts and stops what a state wants, and observes it; used by one thread."""

    def __init__(
        self,
        work: RolloutWork,
        served: ServedSpaceIds,
        *,
        outages: Outages,
        switch: Callable[[EmbArkSettings], None],
        oov_vector: Sequence[float] | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        start_task: StartTask = LocalTask,
    ) -> None:
        """`served` is what EmbArk serves already; `switch` makes it serve other spaces."""
        self._work = work
        self.served = served
        self._outages = outages
        self._switch = switch
        self._oov_vector = oov_vector
        self._on_progress = on_progress
        self._start_task = start_task
        self._starts: dict[str, _Start] = {}
        self._scanning: _Scanning | None = None
        self._progress: ObservedProgress | None = None
        self._verifying: tuple[datetime | None, LocalTask[Verdict]] | None = None
        self._dropping: tuple[str, LocalTask[None]] | None = None
        self.entries: int | None = None
        """The embeddings of the active space, as counted last."""
        self._count_due = float("-inf")
        self.encode_seconds: float | None = None
        """The time that a key took in the last scan, as an Encode call takes; None: none was measured."""

    def carry_out(self, state: RolloutState, cache: EmbeddingCache, now: datetime) -> None:
        """Start and stop what the state wants; nothing happens if it is all as wanted.

        Raises:
            Exception: work has crashed; it is a defect of the program.
        """
        self._serve(state, cache)
        self._stop_unwanted(state)
        for space in state.served:
            self._fill(space, state, cache, now)
        self._carry_out_scan(state, cache)
        self._carry_out_verification(state, cache)
        self._carry_out_drop(state)
        for task in self._tasks():
            if task.crash is not None:
                raise task.crash

    def stop(self) -> None:
        """Leave the work where it is, and return once every thread has ended."""
        for task in list(self._tasks()):
            task.stop()

    def observe(self, state: RolloutState, cache: EmbeddingCache) -> ObservedRollout:
        """Return what the next step depends on, after carry_out() of the same state.

        Raises:
            StoppedError: the process is stopping.
        """
        candidate, dropped = state.spaces.candidate, state.spaces.dropped
        if candidate and state.phase is RolloutPhase.REEMBEDDING:
            # Without `entries`: a scan of this process is not cut short when too many keys have failed.
            scan = self._scanning.task.observed if self._scanning else ObservedJob()
            return ObservedRollout(progress=self._progress, scan=scan)
        if candidate and state.phase is RolloutPhase.VERIFYING:
            return self._observe_verification(candidate.id, state.active.id)
        seen = ObservedRollout(
            entries=self.count(state.active.id),
            encode_seconds=self.encode_seconds,
            embark_rolled=self.served == ServedSpaceIds.wanted_by(state),
            dropped_idle=dropped is not None and not self._is_used(dropped.id),
            drop=self._dropping[1].observed if self._dropping else ObservedJob(),
        )
        if candidate and state.phase in (RolloutPhase.PREPARING, RolloutPhase.HALTED):
            return self._with_candidate(seen, candidate, cache)
        return seen

    def count(self, space: str) -> int:
        """Return the embeddings in the active space, as counted lately."""
        before = time.monotonic()
        if self.entries is None or before >= self._count_due:
            self.entries = self._work.count(self._outages, space)
            after = time.monotonic()
            self._count_due = after + (after - before) / _COUNTING_SHARE
        return self.entries

    def _serve(self, state: RolloutState, cache: EmbeddingCache) -> None:
        wanted, previous = ServedSpaceIds.wanted_by(state), state.spaces.previous
        if wanted != self.served:
            kept = previous.encoder if previous else None
            self._switch(serving_settings(cache, state.active.encoder, kept, oov_vector=self._oov_vector).embark)
            if wanted.active != self.served.active:
                self.entries = None
            self.served = wanted

    def _stop_unwanted(self, state: RolloutState) -> None:
        wanted, candidate = {space.id for space in state.served}, state.spaces.candidate
        if state.phase is not RolloutPhase.REEMBEDDING or candidate is None:
            self._stop_scan()
        if self._verifying and (state.phase is not RolloutPhase.VERIFYING or self._verifying[0] != state.status.since):
            self._verifying[1].stop()
            self._verifying = None
        for space in self._starts.keys() - wanted:
            self._starts.pop(space).task.stop()
        for space in self._work.filled_spaces() - wanted:
            self._work.stop_filling(space)

    def _fill(self, space: SpaceRecord, state: RolloutState, cache: EmbeddingCache, now: datetime) -> None:
        settings = filling_settings(cache, space.encoder, space.source)
        running, start = self._work.find_filling(space.id), self._starts.get(space.id)
        if running is not None and running.settings == settings:
            return
        is_candidate = space == state.spaces.candidate
        prepared = state.phase is RolloutPhase.PREPARING
        if is_candidate and prepared and cache.spec.rollout.paused:
            return
        if start is not None and start.settings == settings:
            failed_before = prepared and state.status.since is not None and start.begun < state.status.since
            # A clock that was set back does not prolong the wait.
            waits = timedelta(0) <= now - start.begun < _RESTART_AFTER and not failed_before
            if start.task.error is None or waits:
                return
        if start is not None:
            start.task.stop()
        if running is not None or self._work.find_filling(space.id) is not None:
            self._work.stop_filling(space.id)
        source = space.source if is_candidate else ""
        task = self._start_task(
            "rollout-start",
            lambda outages: self._work.start_filling(outages, settings, source),
            self._work.new_outages,
        )
        self._starts[space.id] = _Start(settings, now, task)

    def _carry_out_scan(self, state: RolloutState, cache: EmbeddingCache) -> None:
        if state.phase is not RolloutPhase.REEMBEDDING:
            return
        filling, rollout = self._work.find_filling(state.candidate.id), cache.spec.rollout
        if rollout.paused or filling is None:
            self._stop_scan()
            return
        settings = filling.settings.kfc.model_copy(update={"retina": filling.retina})
        scan = Scan(settings, rollout.max_keys_per_second, rollout.max_lookup_slowdown, state.status.attempt)
        if self._scanning is None or self._scanning.scan != scan:
            self._stop_scan()
            task = self._start_task(
                "rollout-scan",
                lambda outages: self._work.scan(outages, scan, self._take_progress),
                self._work.new_outages,
            )
            self._scanning = _Scanning(scan, task)
        elif self._scanning.task.result:
            # By Little's law, as if every call that may be in flight had been.
            in_flight = rollout.parallelism * cache.spec.kfc.max_inflight
            self.encode_seconds = in_flight / self._scanning.task.result

    def _stop_scan(self) -> None:
        if self._scanning is not None:
            self._scanning.task.stop()
            self._scanning = self._progress = None

    def _take_progress(self, progress: Progress) -> None:
        self._progress = ObservedProgress(progress.done, progress.failed)
        if self._on_progress is not None:
            self._on_progress(progress)

    def _carry_out_verification(self, state: RolloutState, cache: EmbeddingCache) -> None:
        if state.phase is not RolloutPhase.VERIFYING or self._verifying:
            return
        candidate, gate = state.candidate, cache.spec.rollout
        settings = filling_settings(cache, candidate.encoder, candidate.source).kfc
        task = self._start_task(
            "rollout-verify", lambda outages: self._work.verify(outages, settings, gate), self._work.new_outages
        )
        self._verifying = state.status.since, task

    def _carry_out_drop(self, state: RolloutState) -> None:
        dropped = state.spaces.dropped
        if dropped is None or not dropped.released:
            self._dropping = None
        elif self._dropping is None:
            space = dropped.id
            task = self._start_task(
                "rollout-drop", lambda outages: self._work.drop(outages, space), self._work.new_outages
            )
            self._dropping = space, task

    def _observe_verification(self, candidate: str, source: str) -> ObservedRollout:
        if self._verifying is None or not self._verifying[1].complete:
            return ObservedRollout(verification=self._verifying[1].observed if self._verifying else ObservedJob())
        task = self._verifying[1]
        behind = self._work.fills_behind(self._outages, candidate, source)
        return ObservedRollout(verification=task.observed, verdict=task.result, behind=behind)

    def _with_candidate(self, seen: ObservedRollout, candidate: SpaceRecord, cache: EmbeddingCache) -> ObservedRollout:
        settings = filling_settings(cache, candidate.encoder, candidate.source)
        running, start = self._work.find_filling(candidate.id), self._starts.get(candidate.id)
        if running is not None and running.settings == settings:
            return replace(seen, candidate_ready=True)
        if start is not None and start.task.error is not None:
            return replace(seen, candidate_failed=True, candidate_reason=str(start.task.error))
        paused = start is None and cache.spec.rollout.paused
        return replace(seen, candidate_reason=PAUSED if paused else "its Retina and KFC are starting")

    def _is_used(self, space: str) -> bool:
        starting = space in self._starts
        return starting or space in self._work.filled_spaces() or space in self.served

    def _tasks(self) -> Iterator[LocalTask[Any]]:
        yield from [start.task for start in self._starts.values()]
        if self._scanning:
            yield self._scanning.task
        if self._verifying:
            yield self._verifying[1]
        if self._dropping:
            yield self._dropping[1]
