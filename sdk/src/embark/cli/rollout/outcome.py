"""How a rollout has ended, from the status of its cache."""

from dataclasses import dataclass
from datetime import datetime

from embark.names import RESUMED
from embark.rollout.state import RolloutPhase
from embark.spec import EmbeddingCache
from embark.spec.status import ACCEPTED


@dataclass(frozen=True, slots=True)
class RolloutOutcome:
    """A rollout has ended, or there is none in progress."""

    problem: str = ""
    """Why it did not complete; empty: it did."""


def find_outcome(cache: EmbeddingCache) -> RolloutOutcome | None:
    """Return how the rollout has ended; None while it is in progress or the last change is not observed yet."""
    status, rollout = cache.status, cache.status.rollout
    if status.observed_generation < max(1, cache.metadata.generation):
        return None
    rejection = find_rejection(cache)
    if rejection:
        return RolloutOutcome(f"the spec is not accepted: {rejection}")
    if rollout.phase == RolloutPhase.HALTED and not _is_resumed(cache):
        return RolloutOutcome(rollout.message or "the rollout has halted")
    if rollout.phase in (RolloutPhase.STEADY, RolloutPhase.HOLDING):
        return RolloutOutcome()
    return None


def find_rejection(cache: EmbeddingCache) -> str:
    """Return why the spec is not accepted; empty: it is, or was not checked yet."""
    rejected = (one for one in cache.status.conditions if one.type == ACCEPTED and one.status == "False")
    return next((one.message or one.reason for one in rejected), "")


def _is_resumed(cache: EmbeddingCache) -> bool:
    """Return whether the halted rollout was resumed, and that is not observed yet."""
    since = cache.status.rollout.since
    try:
        resumed = datetime.fromisoformat(cache.metadata.annotations.get(RESUMED, ""))
    except ValueError:
        return False
    return resumed.tzinfo is not None and since is not None and resumed >= since
