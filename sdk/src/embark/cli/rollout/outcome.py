"""Whether there is anything left to watch of a rollout; pure."""

from dataclasses import dataclass
from datetime import datetime

from embark.names import RESUMED
from embark.rollout.state import RolloutPhase
from embark.spec import EmbeddingCache
from embark_operator.status.conditions import ACCEPTED


@dataclass(frozen=True, slots=True)
class Ending:
    """That a rollout has ended; `fault` says why it has not come to its end, or is empty."""

    fault: str = ""


def ending_of(cache: EmbeddingCache) -> Ending | None:
    """Return how the rollout has ended; None: it goes on, or the operator has not seen what was asked for last."""
    status, rollout = cache.status, cache.status.rollout
    if status.observed_generation < max(1, cache.metadata.generation):
        return None
    refused = refusal_of(cache)
    if refused:
        return Ending(f"the spec is not accepted: {refused}")
    if rollout.phase == RolloutPhase.HALTED and not _is_resumed(cache):
        return Ending(rollout.message or "the rollout has halted")
    if rollout.phase in (RolloutPhase.STEADY, RolloutPhase.HOLDING):
        return Ending()
    return None


def refusal_of(cache: EmbeddingCache) -> str:
    """Return why the spec is not accepted; empty: it is, or the operator has not seen it yet."""
    told = (one for one in cache.status.conditions if one.type == ACCEPTED and one.status == "False")
    return next((one.message or one.reason for one in told), "")


def _is_resumed(cache: EmbeddingCache) -> bool:
    """Return whether the operator has still to see that somebody asked for the rollout to go on."""
    since = cache.status.rollout.since
    try:
        asked = datetime.fromisoformat(cache.metadata.annotations.get(RESUMED, ""))
    except ValueError:
        return False
    return asked.tzinfo is not None and since is not None and asked >= since
