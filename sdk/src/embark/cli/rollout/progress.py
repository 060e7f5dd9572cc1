"""How fast a re-embedding goes and how long it will last, from readings of its status; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from embark.rollout.state import RolloutPhase
from embark.spec import EmbeddingCache

# The operator counts every other second; over less than this, a rate says more of the counting than of the work.
_WINDOW: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Reading:
    """How far a re-embedding was at a time."""

    at: datetime
    over: int
    """Keys that are done or have failed."""
    scan: tuple[str, int]
    """The candidate and the attempt that they are of."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast it goes; None: not known."""

    rate: float | None = None
    """Keys per second."""
    eta: float | None = None
    """Seconds until every key is over."""


def read_progress(cache: EmbeddingCache, now: datetime) -> Reading | None:
    """Return how far the re-embedding is; None: none runs."""
    rollout, candidate = cache.status.rollout, cache.status.spaces.candidate
    if rollout.phase != RolloutPhase.REEMBEDDING or candidate is None or cache.spec.rollout.paused:
        return None
    return Reading(now, rollout.done + rollout.failed, (candidate.id, rollout.attempt))


def remember(before: Sequence[Reading], reading: Reading | None) -> tuple[Reading, ...]:
    """Return the readings that a rate is taken from: of one scan, and the newest that are older than the window."""
    if reading is None:
        return ()
    same = [one for one in before if one.scan == reading.scan and one.over <= reading.over]
    old = [one for one in same if reading.at - one.at >= _WINDOW]
    return (*same[max(0, len(old) - 1) :], reading)


def pace_of(cache: EmbeddingCache, readings: Sequence[Reading]) -> Pace:
    """Return the pace between the first and the last reading; of one alone, since the phase began."""
    if not readings:
        return Pace()
    rollout, last = cache.status.rollout, readings[-1]
    rate = _rate(readings[0], last)
    if rate is None and rollout.since and not rollout.attempt:  # a further attempt counts what earlier ones did
        rate = _rate(Reading(rollout.since, 0, last.scan), last)
    if rate:
        return Pace(rate, max(0, rollout.total - last.over) / rate)
    return Pace(rate, float(rollout.estimated_seconds) if rollout.estimated_seconds else None)


def _rate(first: Reading, last: Reading) -> float | None:
    seconds = (last.at - first.at).total_seconds()
    if seconds <= 0 or (last.over == first.over and seconds < _WINDOW.total_seconds()):
        return None
    return (last.over - first.over) / seconds
