"""What a manifest would make of a cache as it is: which space, by which way, and what that takes; pure."""

from dataclasses import dataclass
from enum import StrEnum

from embark.names import APPROVED
from embark.rollout.state import RolloutPhase
from embark.settings import CacheSettings, settings_for
from embark.space import space_of
from embark.spec import EmbeddingCache, Encoder
from embark.spec.rollout import Approval
from embark.spec.status import EmbeddingCacheStatus
from embark_operator.cli.costs import Cost, cost_of, encode_seconds_of, entries_of


class Way(StrEnum):
    """How a cache gets to the space that is wanted."""

    SAME = "same"
    """Look-ups read it already."""
    BACK = "back"
    """Look-ups read it, and a candidate that is being filled is dropped."""
    ROLL_BACK = "roll-back"
    """It is kept as the previous space."""
    GO_ON = "go-on"
    """It is the candidate already."""
    REEMBED = "re-embed"
    """Every key has to be encoded."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What happens."""

    way: Way
    space: str
    """The id of the one that is wanted."""
    encoder: Encoder
    """That writes it."""
    active: str
    """The id of the space that look-ups read."""
    changed: tuple[str, ...]
    """The sections of the spec that the manifest changes, as spec.kfc.maxInflight."""
    rolling: tuple[str, ...] = ()
    """The services whose pods are replaced although the space is the same."""
    dropped: str = ""
    """The id of a space that is dropped for it; empty: none."""
    waits_for_approval: bool = False
    cost: Cost | None = None
    """None: no key has to be encoded."""


def plan_of(live: EmbeddingCache, wanted: EmbeddingCache) -> Plan:
    """Return what applying `wanted` does to the cache that is `live`, whose status says where it is."""
    spaces, space = live.status.spaces, space_of(wanted.spec.encoder).id
    encoder = spaces.active.encoder if spaces.active else live.spec.encoder
    active = spaces.active.id if spaces.active else space_of(encoder).id
    way, dropped = _way(live.status, active, space)
    fills = way in (Way.GO_ON, Way.REEMBED)
    before = live.model_copy(update={"spec": live.spec.model_copy(update={"encoder": encoder})})
    return Plan(
        way=way,
        space=space,
        encoder=wanted.spec.encoder,
        active=active,
        changed=_changed(live, wanted),
        rolling=_rolling(before, wanted) if way in (Way.SAME, Way.BACK) else (),
        dropped=dropped,
        waits_for_approval=fills and _waits(live, wanted, space, way),
        cost=_cost(live.status, wanted, way) if fills else None,
    )


def _way(status: EmbeddingCacheStatus, active: str, space: str) -> tuple[Way, str]:
    """Return the way to a space, and the id of the one that is dropped on it."""
    candidate, previous = status.spaces.candidate, status.spaces.previous
    if space == active:
        return (Way.BACK, candidate.id) if candidate else (Way.SAME, "")
    if candidate and candidate.id == space:
        return Way.GO_ON, ""
    if previous and previous.id == space:
        return Way.ROLL_BACK, active
    left = candidate or previous
    return Way.REEMBED, left.id if left else ""


def _waits(live: EmbeddingCache, wanted: EmbeddingCache, space: str, way: Way) -> bool:
    if way is Way.GO_ON and live.status.rollout.phase != RolloutPhase.AWAITING_APPROVAL:
        return False
    approved = live.metadata.annotations.get(APPROVED) == space
    return wanted.spec.rollout.approval is Approval.MANUAL and not approved


def _cost(status: EmbeddingCacheStatus, wanted: EmbeddingCache, way: Way) -> Cost:
    held, rollout = entries_of(status), status.rollout
    keys = held
    if way is Way.GO_ON and rollout.total:
        held = max(rollout.total, held or 0)
        keys = max(0, rollout.total - rollout.done - rollout.failed)
    return cost_of(wanted.spec, keys, held, encode_seconds_of(status))


def _changed(live: EmbeddingCache, wanted: EmbeddingCache) -> tuple[str, ...]:
    before = live.spec.model_dump(mode="json", by_alias=True)
    after = wanted.spec.model_dump(mode="json", by_alias=True)
    found = []
    for name, value in after.items():
        if isinstance(value, dict):
            found += [f"spec.{name}.{part}" for part, now in value.items() if now != before[name].get(part)]
        elif value != before[name]:
            found.append(f"spec.{name}")
    return tuple(sorted(found))


def _rolling(before: EmbeddingCache, after: EmbeddingCache) -> tuple[str, ...]:
    """Return the services whose settings or resources change; a change of scale alone replaces no pod."""
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
    # The vector itself is in a ConfigMap, which is the same before and after.
    dimension = cache.spec.encoder.output.dimension
    vector = (0.0,) * dimension if cache.spec.miss.oov_vector_config_map else None
    return settings_for(cache, oov_vector=vector)
