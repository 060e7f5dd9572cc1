"""The rate of a re-embedding and the time it has left, from samples of its status."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from embark.rollout.state import RolloutPhase
from embark.spec import EmbeddingCache

# Keys are counted every other second; over a shorter window, a rate reflects the counting and not the work.
_WINDOW: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class ProgressSample:
    """How many keys a re-embedding had processed at a time."""

    at: datetime
    processed: int
    """Keys that are done or have failed."""
    scan: tuple[str, int]
    """The candidate's id and the attempt."""


@dataclass(frozen=True, slots=True)
class ReembeddingRate:
    """How fast a re-embedding is; None: not known."""

    keys_per_second: float | None = None
    seconds_left: float | None = None
    """Until every key is processed."""


def take_sample(cache: EmbeddingCache, now: datetime) -> ProgressSample | None:
    """Return the progress of the re-embedding at `now`; None: none is running."""
    rollout, candidate = cache.status.rollout, cache.status.spaces.candidate
    if rollout.phase != RolloutPhase.REEMBEDDING or candidate is None or cache.spec.rollout.paused:
        return None
    return ProgressSample(now, rollout.done + rollout.failed, (candidate.id, rollout.attempt))


def add_sample(before: Sequence[ProgressSample], sample: ProgressSample | None) -> tuple[ProgressSample, ...]:
    """Return the samples to measure a rate by: those of one scan, back to the newest outside the window."""
    if sample is None:
        return ()
    same = [one for one in before if one.scan == sample.scan and one.processed <= sample.processed]
    old = [one for one in same if sample.at - one.at >= _WINDOW]
    return (*same[max(0, len(old) - 1) :], sample)


def estimate_rate(cache: EmbeddingCache, samples: Sequence[ProgressSample]) -> ReembeddingRate:
    """Return the rate between the first and the last sample; with a single one, since the phase began."""
    if not samples:
        return ReembeddingRate()
    rollout, last = cache.status.rollout, samples[-1]
    rate = _rate(samples[0], last)
    if rate is None and rollout.since and not rollout.attempt:  # a later attempt counts the keys of earlier ones
        rate = _rate(ProgressSample(rollout.since, 0, last.scan), last)
    if rate:
        return ReembeddingRate(rate, max(0, rollout.total - last.processed) / rate)
    return ReembeddingRate(rate, float(rollout.estimated_seconds) if rollout.estimated_seconds else None)


def _rate(first: ProgressSample, last: ProgressSample) -> float | None:
    seconds = (last.at - first.at).total_seconds()
    if seconds <= 0 or (last.processed == first.processed and seconds < _WINDOW.total_seconds()):
        return None
    return (last.processed - first.processed) / seconds
