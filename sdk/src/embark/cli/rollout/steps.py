"""What a command changes in a cache, from what the cache is; pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from embark.errors import EmbArkError
from embark.names import APPROVED, RESUMED, cache_name
from embark.rollout.state import RolloutPhase
from embark.space import space_of
from embark.spec import EmbeddingCache
from embark.spec.status import SpaceRecord
from embark_operator.cli.caches import StoredCache
from embark_operator.names import Manifest

_SWITCHED = (RolloutPhase.SWITCHING, RolloutPhase.HOLDING)


class UntimelyError(EmbArkError):
    """The rollout is in no phase in which that can be asked for; the message says what can be done instead."""


@dataclass(frozen=True, slots=True)
class Step:
    """A change, and what is said of it."""

    said: str
    change: Manifest | None = None
    """To be merged into the cache; None: it is as asked for already."""


def approve(stored: StoredCache) -> Step:
    """Approve the candidate that waits for it."""
    cache = stored.cache
    candidate, phase = cache.status.spaces.candidate, cache.status.rollout.phase
    if phase != RolloutPhase.AWAITING_APPROVAL or candidate is None:
        raise UntimelyError(f"{cache_name(cache)}: nothing waits for an approval, the rollout is {_told(cache)}")
    if cache.metadata.annotations.get(APPROVED) == candidate.id:
        return Step(f"{cache_name(cache)}: space {candidate.id} is approved already; the operator has not begun it yet")
    change = {"metadata": {"annotations": {APPROVED: candidate.id}}}
    return Step(f"{cache_name(cache)}: space {candidate.id} is approved", change)


def pause(stored: StoredCache) -> Step:
    """Let the re-embedding wait."""
    cache = stored.cache
    if cache.spec.rollout.paused:
        return Step(f"{cache_name(cache)}: is paused already")
    if cache.status.rollout.phase == RolloutPhase.HALTED:
        # A change of the spec is what a halted rollout waits for.
        raise UntimelyError(
            f"{cache_name(cache)}: the rollout is {_told(cache)}; nothing of it runs that could be paused, and a "
            f"change of the spec would begin a further attempt"
        )
    said = "paused: re-embedding waits, look-ups and fills go on; `resume` lets it go on"
    return Step(f"{cache_name(cache)}: {said}", {"spec": {"rollout": {"paused": True}}})


def resume(stored: StoredCache, now: datetime) -> Step:
    """Let a paused or halted rollout go on."""
    cache = stored.cache
    rollout, change, said = cache.status.rollout, dict[str, Any](), list[str]()
    if cache.spec.rollout.paused:
        change["spec"] = {"rollout": {"paused": False}}
        said.append("re-embedding is not paused any more")
    if rollout.phase == RolloutPhase.HALTED:
        # The operator compares with its own clock, which may be ahead of this one.
        asked = max(now, rollout.since) if rollout.since else now
        change["metadata"] = {"annotations": {RESUMED: asked.isoformat()}}
        said.append(f"the rollout that halted goes on (it halted because: {rollout.message or 'no reason is told'})")
    if not change:
        return Step(f"{cache_name(cache)}: is not paused, and has not halted; the rollout is {_told(cache)}")
    return Step(f"{cache_name(cache)}: {' and '.join(said)}", change)


def roll_back(stored: StoredCache) -> Step:
    """Set the whole encoder back to the one of the space before the rollout."""
    cache = stored.cache
    target = _space_before(cache)
    if space_of(cache.spec.encoder).id == target.id:
        return Step(f"{cache_name(cache)}: the spec is at space {target.id} already; the operator has not seen it yet")
    encoder = target.encoder.model_dump(mode="json", by_alias=True, exclude_none=True)
    change = {
        "metadata": {"resourceVersion": stored.version},
        "spec": {"encoder": replacement(stored.encoder, encoder)},
    }
    return Step(
        f"{cache_name(cache)}: spec.encoder is set back to {target.encoder.model.name}, space {target.id}", change
    )


def replacement(stored: Manifest, wanted: Manifest) -> Manifest:
    """Return the merge patch that makes `stored` the same as `wanted`; a merge alone would keep other fields."""
    patch: Manifest = dict.fromkeys(stored.keys() - wanted.keys())
    for name, value in wanted.items():
        before = stored.get(name)
        patch[name] = replacement(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return patch


def _space_before(cache: EmbeddingCache) -> SpaceRecord:
    spaces, phase = cache.status.spaces, cache.status.rollout.phase
    if phase in _SWITCHED and spaces.previous:
        return spaces.previous
    if spaces.candidate and spaces.active:
        return spaces.active
    again = "set spec.encoder to the one that you want; `embark plan FILE` tells what that takes"
    if phase == RolloutPhase.ROLLING_BACK:
        raise UntimelyError(f"{cache_name(cache)}: the rollout is {_told(cache)} already")
    raise UntimelyError(
        f"{cache_name(cache)}: there is no space to go back to, the rollout is {_told(cache)} and no previous space is "
        f"kept; {again}"
    )


def _told(cache: EmbeddingCache) -> str:
    rollout = cache.status.rollout
    return f"{rollout.phase} ({rollout.message})" if rollout.message else rollout.phase
