"""The rollout of a local cache: the state machine of `embark.rollout`, carried out with threads.

Each pass reads the resource, carries out the state, observes what came of it, and advances the state. A step is written
to the resource before it is carried out, so that a process that is killed at any point continues from the file, the
checkpoints and the consumer groups.
"""

import threading
import time
from datetime import UTC, datetime
from math import inf
from typing import Final

from embark.clock import Clock
from embark.names import APPROVED
from embark.rollout.advance import advance
from embark.rollout.state import RolloutPhase, RolloutState, initial_rollout
from embark.spec import EmbeddingCache
from embark.spec.status import EmbeddingCacheStatus, SpaceRecord
from embark_local.cache_file import CacheFile, CacheFileError, FileVersion
from embark_local.carrier import Carrier
from embark_local.progress import plan
from embark_local.reporters import Reporter
from kfc.outages import StoppedError

_PASS_SECONDS: Final = 0.1
# Between two writes of a status in which only counts differ.
_WRITE_SECONDS: Final = 1.0
# The wait before the file is used again after it could not be read or written.
_FILE_RETRY_SECONDS: Final = 1.0


class LocalRollout:
    """Carries out the rollout of the cache in `file` from start() to stop()."""

    def __init__(
        self,
        file: CacheFile,
        carrier: Carrier,
        state: RolloutState,
        *,
        reporter: Reporter,
        clock: Clock,
        stopping: threading.Event,
    ) -> None:
        """`state` is the one that the file holds; stop() sets `stopping`, on which the carrier's Outages wait."""
        self._file = file
        self._carrier = carrier
        self._reporter = reporter
        self._clock = clock
        self._state = state
        self._version: FileVersion | None = file.version
        self._cache = file.read_cache()
        self._status = self._cache.status
        self._carrier.encode_seconds = parse_encode_seconds(self._status)
        self._written_at = float("-inf")
        self._stopping = stopping
        self._failure: Exception | None = None
        self._file_problem = ""
        self._thread = threading.Thread(target=self._run, name="rollout")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Leave the work where it is, and return once every thread has ended."""
        self._stopping.set()
        self._thread.join()
        self._carrier.stop()

    @property
    def space(self) -> str:
        """The id of the space that lookups read."""
        return self._carrier.served.active

    @property
    def phase(self) -> RolloutPhase:
        """The phase of the rollout."""
        return self._state.phase

    @property
    def failure(self) -> Exception | None:
        """The exception that stopped the rollout, if one did."""
        return self._failure

    @property
    def awaits_approval(self) -> bool:
        """Whether nothing happens until approve() is called or `embark approve` is run."""
        return self._state.phase is RolloutPhase.AWAITING_APPROVAL and not self._cache.spec.rollout.paused

    def approve(self) -> None:
        """Approve the candidate, as `embark approve` does; from any thread."""
        candidate = self._state.spaces.candidate
        if candidate is not None:
            self._file.merge({"metadata": {"annotations": {APPROVED: candidate.id}}})

    def report_start(self) -> None:
        """Report a rollout that an earlier process began, or the manifest has just begun."""
        self._report(None, self._state)

    def make_pass(self) -> bool:
        """Carry out the state, observe, and advance by at most one step; return whether there was one.

        Raises:
            StoppedError: the process is stopping.
            CacheFileError: the file cannot be read or written; a later pass makes the same step.
        """
        self._cache = self._read()
        before = after = self._state
        if not self._cache.spec.paused:
            self._carrier.carry_out(before, self._cache, self._now())
            seen = self._carrier.observe(before, self._cache)
            after = advance(before, self._cache, seen, self._now(), approve_command=self._approve_command())
        stepped = _without_counts(before) != _without_counts(after)
        status = self._build_status(after)
        if stepped or (status != self._status and self._is_due(status)):
            self._write(status)
        self._state = after
        if stepped:
            self._report(before, after)
        return stepped

    def _run(self) -> None:
        try:
            self.report_start()
            while not self._stopping.is_set():
                self._run_pass()
            self._write(self._build_status(self._state))
        except StoppedError:
            return
        except Exception as error:  # noqa: BLE001 - the thread that waits for the process raises it
            self._failure = error

    def _run_pass(self) -> None:
        """Make a pass, and wait before the next one if nothing was to be done; a problem with the file ends nothing."""
        try:
            pause = 0.0 if self.make_pass() else _PASS_SECONDS
            self._file_problem = ""
        except CacheFileError as error:
            if str(error) != self._file_problem:
                self._file_problem = str(error)
                self._reporter.say(f"the rollout waits, lookups and fills continue: {error}")
            pause = _FILE_RETRY_SECONDS
        self._stopping.wait(pause)

    def _read(self) -> EmbeddingCache:
        version = self._file.version
        if version is None or version != self._version:
            self._cache = self._file.read_cache()
            self._version = version
        return self._cache

    def _write(self, status: EmbeddingCacheStatus) -> None:
        self._file.write_status(status)
        self._status, self._written_at = status, time.monotonic()

    def _is_due(self, status: EmbeddingCacheStatus) -> bool:
        seen = status.observed_generation != self._status.observed_generation
        return seen or time.monotonic() - self._written_at >= _WRITE_SECONDS

    def _build_status(self, state: RolloutState) -> EmbeddingCacheStatus:
        measured = self._carrier.encode_seconds
        return build_status(
            self._status,
            state,
            generation=self._cache.metadata.generation,
            entries=self._carrier.entries,
            encode_seconds="" if measured is None else f"{measured:.6f}",
        )

    def _approve_command(self) -> str:
        return f"embark approve {self._cache.metadata.name} --data {self._file.path.parent}"

    def _now(self) -> datetime:
        return to_datetime(self._clock())

    # What a person reads

    def _report(self, before: RolloutState | None, after: RolloutState) -> None:
        if after.phase is RolloutPhase.HALTED:
            self._report_halt(after)
        elif after.spaces.candidate and (before is None or before.spaces.candidate is None):
            self._report_plan(after)
        elif before is not None:
            self._report_steps(before, after)

    def _report_plan(self, state: RolloutState) -> None:
        wanted, rollout = state.candidate, self._cache.spec.rollout
        keys = self._carrier.count(state.active.id)
        measured = self._carrier.encode_seconds
        rate = rollout.parallelism * self._cache.spec.kfc.max_inflight / measured if measured else 0.0
        self._reporter.say(
            f"lookups read {_describe(state.active)}; the manifest declares {_describe(wanted)}\n"
            f"plan: {plan(keys, rate, rollout.max_keys_per_second)}"
        )
        if rollout.paused:
            folder = self._file.path.parent
            resume = f"embark resume {self._cache.metadata.name} --data {folder}"
            self._reporter.say(f"spec.rollout.paused is true: re-embedding waits until `{resume}`")

    def _report_halt(self, state: RolloutState) -> None:
        name, folder = self._cache.metadata.name, self._file.path.parent
        self._reporter.say(
            f"not switched to space {state.candidate.id}: {state.status.message}\n"
            f"lookups continue to read {_describe(state.active)}; fix the manifest and start again, or run "
            f"`embark resume {name} --data {folder}`; what is encoded already is kept"
        )

    def _report_steps(self, before: RolloutState, after: RolloutState) -> None:
        say, kept, dropped = self._reporter.say, after.spaces.previous, before.spaces.dropped
        if before.phase is RolloutPhase.SWITCHING and after.phase is RolloutPhase.HOLDING and kept:
            until = f" until {kept.kept_until:%Y-%m-%d %H:%M} UTC" if kept.kept_until else ""
            say(
                f"switched: lookups read {_describe(after.active)}; {_describe(kept)} is kept{until}, "
                "and a rollback to it takes effect at once"
            )
        if after.phase is RolloutPhase.ROLLING_BACK and before.active.id != after.active.id:
            say(f"rolled back: lookups read {_describe(after.active)}")
        if after.spaces.dropped and dropped is None:
            say(f"dropping space {after.spaces.dropped.id}")
        if dropped and after.spaces.dropped is None:
            say(f"space {dropped.id} is dropped")


def build_status(
    before: EmbeddingCacheStatus,
    state: RolloutState,
    *,
    generation: int,
    entries: int | None = None,
    encode_seconds: str = "",
) -> EmbeddingCacheStatus:
    """Return the status of a cache in `state`; what is not known stays as it was."""
    counted = {"entries": before.cache.entries if entries is None else entries}
    measured = {"encode_seconds": encode_seconds or before.cache.encode_seconds}
    return before.model_copy(
        update={
            "observed_generation": generation,
            "phase": str(state.phase),
            "model": state.active.encoder.model.name,
            "spaces": state.spaces,
            "rollout": state.status,
            "cache": before.cache.model_copy(update=counted | measured),
        }
    )


def restore_rollout(cache: EmbeddingCache) -> RolloutState:
    """Return the state that the status holds, or that of a new cache."""
    spaces = cache.status.spaces
    if spaces.active is None:
        return initial_rollout(cache.spec.encoder)
    return RolloutState(spaces.active, spaces, cache.status.rollout)


def parse_encode_seconds(status: EmbeddingCacheStatus) -> float | None:
    """Return the time of a key in the last scan; None: none was measured, or it is not a valid number."""
    try:
        seconds = float(status.cache.encode_seconds)
    except ValueError:
        return None
    return seconds if 0 < seconds < inf else None


def to_datetime(at: int) -> datetime:
    """Return a time of a Clock as a datetime in UTC."""
    return datetime.fromtimestamp(at / 1_000_000, UTC)


def _without_counts(state: RolloutState) -> object:
    """Return what a step changes, as opposed to counts."""
    timeless = {"total": 0, "done": 0, "failed": 0, "estimated_seconds": 0}
    spaces, candidate = state.spaces, state.spaces.candidate
    if candidate is not None:
        spaces = spaces.model_copy(update={"candidate": candidate.model_copy(update={"coverage": ""})})
    return state.active, spaces, state.status.model_copy(update=timeless)


def _describe(space: SpaceRecord) -> str:
    return f"space {space.id} ({space.encoder.model.name}, {space.encoder.output.dimension} elements)"
