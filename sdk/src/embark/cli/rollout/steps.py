"""What each command changes in a cache, decided from the state of the cache."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from embark.errors import EmbArkError
from embark.names import APPROVED, RESUMED, cache_name
from embark.resources import ResourceBody, StoredCache
from embark.rollout.state import RolloutPhase
from embark.space import Space
from embark.spec import EmbeddingCache
from embark.spec.status import SpaceRecord

_SWITCHED = (RolloutPhase.SWITCHING, RolloutPhase.HOLDING)


class WrongPhaseError(EmbArkError):
    """The command does not apply in the rollout's phase; the message says what to do instead."""


@dataclass(frozen=True, slots=True)
class Step:
    """A change of a cache, and the message that reports it."""

    message: str
    change: ResourceBody | None = None
    """A merge patch; None: there is nothing to change."""


def approve(stored: StoredCache) -> Step:
    """Approve the candidate that waits for approval."""
    cache = stored.cache
    candidate, phase = cache.status.spaces.candidate, cache.status.rollout.phase
    if phase != RolloutPhase.AWAITING_APPROVAL or candidate is None:
        raise WrongPhaseError(f"{cache_name(cache)}: nothing waits for approval; the rollout is {_phase(cache)}")
    if cache.metadata.annotations.get(APPROVED) == candidate.id:
        return Step(f"{cache_name(cache)}: space {candidate.id} is already approved; its rollout has not started yet")
    change = {"metadata": {"annotations": {APPROVED: candidate.id}}}
    return Step(f"{cache_name(cache)}: space {candidate.id} is approved", change)


def pause(stored: StoredCache) -> Step:
    """Pause the re-embedding."""
    cache = stored.cache
    if cache.spec.rollout.paused:
        return Step(f"{cache_name(cache)}: already paused")
    if cache.status.rollout.phase == RolloutPhase.HALTED:
        # A halted rollout waits for a change of the spec.
        raise WrongPhaseError(
            f"{cache_name(cache)}: the rollout is {_phase(cache)}; nothing is running that could be paused, and a "
            f"change of the spec would start another attempt"
        )
    message = "paused; lookups and fills continue; `resume` continues the re-embedding"
    return Step(f"{cache_name(cache)}: {message}", {"spec": {"rollout": {"paused": True}}})


def resume(stored: StoredCache, now: datetime) -> Step:
    """Continue a paused or halted rollout."""
    cache = stored.cache
    rollout, change, messages = cache.status.rollout, dict[str, Any](), list[str]()
    if cache.spec.rollout.paused:
        change["spec"] = {"rollout": {"paused": False}}
        messages.append("no longer paused")
    if rollout.phase == RolloutPhase.HALTED:
        # The time is compared with that of the halt, which another clock has set; that clock may be ahead of this one.
        resumed = max(now, rollout.since) if rollout.since else now
        change["metadata"] = {"annotations": {RESUMED: resumed.isoformat()}}
        messages.append(f"the halted rollout is resumed (it halted because: {rollout.message or 'no reason given'})")
    if not change:
        return Step(f"{cache_name(cache)}: neither paused nor halted; the rollout is {_phase(cache)}")
    return Step(f"{cache_name(cache)}: {' and '.join(messages)}", change)


def roll_back(stored: StoredCache) -> Step:
    """Restore the encoder of the space before the rollout."""
    cache = stored.cache
    target = _find_space_before(cache)
    if Space.from_encoder(cache.spec.encoder).id == target.id:
        return Step(f"{cache_name(cache)}: the spec already declares space {target.id}; this is not picked up yet")
    encoder = target.encoder.model_dump(mode="json", by_alias=True, exclude_none=True)
    change = {
        "metadata": {"resourceVersion": stored.version},
        "spec": {"encoder": build_replacement(stored.encoder, encoder)},
    }
    return Step(
        f"{cache_name(cache)}: spec.encoder is set back to {target.encoder.model.name}, space {target.id}", change
    )


def build_replacement(stored: ResourceBody, wanted: ResourceBody) -> ResourceBody:
    """Return the merge patch that turns `stored` into `wanted`, removing every other field."""
    patch: ResourceBody = dict.fromkeys(stored.keys() - wanted.keys())
    for name, value in wanted.items():
        before = stored.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            patch[name] = build_replacement(before, value)
        else:
            patch[name] = value
    return patch


def _find_space_before(cache: EmbeddingCache) -> SpaceRecord:
    spaces, phase = cache.status.spaces, cache.status.rollout.phase
    if phase in _SWITCHED and spaces.previous:
        return spaces.previous
    if spaces.candidate and spaces.active:
        return spaces.active
    if phase == RolloutPhase.ROLLING_BACK:
        raise WrongPhaseError(f"{cache_name(cache)}: the rollout is already {_phase(cache)}")
    raise WrongPhaseError(
        f"{cache_name(cache)}: there is no space to go back to: the rollout is {_phase(cache)} and no previous space "
        f"is kept; set spec.encoder to the encoder that you want (`embark plan FILE` shows what that takes)"
    )


def _phase(cache: EmbeddingCache) -> str:
    rollout = cache.status.rollout
    return f"{rollout.phase} ({rollout.message})" if rollout.message else rollout.phase
