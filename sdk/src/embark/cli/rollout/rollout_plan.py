"""What applying a manifest does to a cache: which space is served, by which action, and at what cost."""

from dataclasses import dataclass
from enum import StrEnum

from embark.names import APPROVED
from embark.rollout.plan import expected_seconds
from embark.rollout.state import RolloutPhase
from embark.settings import CacheSettings, settings_for
from embark.space import Space
from embark.spec import EmbeddingCache, EmbeddingCacheSpec, Encoder
from embark.spec.rollout import Approval
from embark.spec.status import EmbeddingCacheStatus


class PlanAction(StrEnum):
    """How a cache gets to the wanted space."""

    NONE = "none"
    """Lookups already read it."""
    DROP_CANDIDATE = "drop-candidate"
    """Lookups already read it; the candidate being filled is dropped."""
    ROLL_BACK = "roll-back"
    """It is kept as the previous space."""
    CONTINUE = "continue"
    """It is already the candidate."""
    REEMBED = "re-embed"
    """Every key must be encoded."""


@dataclass(frozen=True, slots=True)
class ReembeddingCost:
    """The cost of encoding the active space's keys for another space; None: not measured yet."""

    keys: int | None
    """Keys to encode."""
    encode_seconds: float | None
    """Retina's mean seconds per key, measured with the active space's encoder."""
    seconds: int | None
    """Expected duration."""
    at_least: bool
    """Whether `seconds` is only a lower bound, from the rate limit."""
    encoder_hours: float | None
    """Hours that one Retina would take to encode the keys one by one."""
    stored_bytes: int | None
    """Size of one copy of all vectors."""


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """What happens when a manifest is applied."""

    action: PlanAction
    space: str
    """The id of the wanted space."""
    encoder: Encoder
    """The encoder of the wanted space."""
    active: str
    """The id of the space that lookups read."""
    changed: tuple[str, ...]
    """The parts of the spec that the manifest changes, such as spec.kfc.maxInflight."""
    rolling: tuple[str, ...] = ()
    """The services whose pods are replaced although the space stays the same."""
    dropped: str = ""
    """The id of a space that is dropped; empty: none."""
    waits_for_approval: bool = False
    cost: ReembeddingCost | None = None
    """None: no key must be encoded."""


def plan_rollout(live: EmbeddingCache, wanted: EmbeddingCache) -> RolloutPlan:
    """Return what applying `wanted` does to the cache `live`, given the status of `live`."""
    spaces, space = live.status.spaces, Space.from_encoder(wanted.spec.encoder).id
    encoder = spaces.active.encoder if spaces.active else live.spec.encoder
    active = spaces.active.id if spaces.active else Space.from_encoder(encoder).id
    action, dropped = _find_action(live.status, active, space)
    fills = action in (PlanAction.CONTINUE, PlanAction.REEMBED)
    serves_it = action in (PlanAction.NONE, PlanAction.DROP_CANDIDATE)
    before = live.model_copy(update={"spec": live.spec.model_copy(update={"encoder": encoder})})
    return RolloutPlan(
        action=action,
        space=space,
        encoder=wanted.spec.encoder,
        active=active,
        changed=_find_changes(live, wanted),
        rolling=_find_rolling(before, wanted) if serves_it else (),
        dropped=dropped,
        waits_for_approval=fills and _waits_for_approval(live, wanted, space, action),
        cost=_plan_cost(live.status, wanted, action) if fills else None,
    )


def _find_action(status: EmbeddingCacheStatus, active: str, space: str) -> tuple[PlanAction, str]:
    """Return how to get to `space`, and the id of the space that this drops."""
    candidate, previous = status.spaces.candidate, status.spaces.previous
    if space == active:
        return (PlanAction.DROP_CANDIDATE, candidate.id) if candidate else (PlanAction.NONE, "")
    if candidate and candidate.id == space:
        return PlanAction.CONTINUE, ""
    if previous and previous.id == space:
        return PlanAction.ROLL_BACK, active
    left = candidate or previous
    return PlanAction.REEMBED, left.id if left else ""


def _waits_for_approval(live: EmbeddingCache, wanted: EmbeddingCache, space: str, action: PlanAction) -> bool:
    if action is PlanAction.CONTINUE and live.status.rollout.phase != RolloutPhase.AWAITING_APPROVAL:
        return False
    approved = live.metadata.annotations.get(APPROVED) == space
    return wanted.spec.rollout.approval is Approval.MANUAL and not approved


def _plan_cost(status: EmbeddingCacheStatus, wanted: EmbeddingCache, action: PlanAction) -> ReembeddingCost:
    rollout = status.rollout
    held = status.cache.entries or None  # 0: not counted yet
    keys = held
    if action is PlanAction.CONTINUE and rollout.total:
        held = max(rollout.total, held or 0)
        keys = max(0, rollout.total - rollout.done - rollout.failed)
    return _estimate_cost(wanted.spec, keys, held, _parse_encode_seconds(status))


def _estimate_cost(
    spec: EmbeddingCacheSpec, keys: int | None, held: int | None, encode_seconds: float | None
) -> ReembeddingCost:
    """Return the cost of encoding `keys` keys for a space that holds `held` keys in the end."""
    limit = spec.rollout.max_keys_per_second
    has_duration = keys is not None and (encode_seconds is not None or limit > 0)
    hours = None if keys is None or encode_seconds is None else keys * encode_seconds / 3600
    return ReembeddingCost(
        keys=keys,
        encode_seconds=encode_seconds,
        seconds=expected_seconds(spec, keys, encode_seconds) if keys is not None and has_duration else None,
        at_least=encode_seconds is None,
        encoder_hours=hours,
        stored_bytes=None if held is None else held * Space.from_encoder(spec.encoder).form.nbytes,
    )


def _parse_encode_seconds(status: EmbeddingCacheStatus) -> float | None:
    """Return Retina's mean seconds per key; None: not measured, or not a valid number."""
    try:
        seconds = float(status.cache.encode_seconds)
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


def _find_changes(live: EmbeddingCache, wanted: EmbeddingCache) -> tuple[str, ...]:
    before = live.spec.model_dump(mode="json", by_alias=True)
    after = wanted.spec.model_dump(mode="json", by_alias=True)
    found = []
    for name, value in after.items():
        if isinstance(value, dict):
            found += [f"spec.{name}.{part}" for part, now in value.items() if now != before[name].get(part)]
        elif value != before[name]:
            found.append(f"spec.{name}")
    return tuple(sorted(found))


def _find_rolling(before: EmbeddingCache, after: EmbeddingCache) -> tuple[str, ...]:
    """Return the services whose settings or resources change; scaling replaces no pods."""
    old, new = _settings(before), _settings(after)
    one, other = before.spec, after.spec
    rolls = {
        "EmbArk": old.embark != new.embark
        or one.embark.resources != other.embark.resources
        or one.miss.oov_vector_config_map != other.miss.oov_vector_config_map,
        "KFC": old.kfc != new.kfc or one.kfc.resources != other.kfc.resources,
        "Retina": old.retina != new.retina
        or one.retina.resources != other.retina.resources
        or one.retina.gpu != other.retina.gpu,
    }
    return tuple(name for name, changes in rolls.items() if changes)


def _settings(cache: EmbeddingCache) -> CacheSettings:
    # The vector itself is in a ConfigMap, which does not change with the manifest.
    dimension = cache.spec.encoder.output.dimension
    vector = (0.0,) * dimension if cache.spec.miss.oov_vector_config_map else None
    return settings_for(cache, oov_vector=vector)
