"""A rollout plan in lines for people; what is unknown is reported as such, with when it becomes known."""

from collections.abc import Iterator, Sequence

from embark.cli.rollout.amounts import format_bytes, format_seconds
from embark.cli.rollout.rollout_plan import PlanAction, ReembeddingCost, RolloutPlan
from embark.cli.text import format_columns
from embark.names import cache_name
from embark.spec import EmbeddingCache, EmbeddingCacheSpec
from embark.spec.quantities import format_duration


def format_plan(plan: RolloutPlan, wanted: EmbeddingCache, approve_command: str) -> Sequence[str]:
    """Return the lines of `plan` for the cache `wanted`; `approve_command` is the command line that approves it."""
    return [f"{cache_name(wanted)}: {_headline(plan)}", *_details(plan, wanted, approve_command)]


def _headline(plan: RolloutPlan) -> str:
    output = plan.encoder.output
    space = f"space {plan.space} ({plan.encoder.model.name}, {output.dimension} x {output.dtype})"
    match plan.action:
        case PlanAction.NONE:
            return f"no re-embedding: same space {plan.space}"
        case PlanAction.DROP_CANDIDATE:
            return f"no re-embedding: lookups already read space {plan.space}; the candidate {plan.dropped} is dropped"
        case PlanAction.ROLL_BACK:
            return f"no re-embedding: {space} is still kept; lookups move back to it, and {plan.dropped} is dropped"
        case PlanAction.CONTINUE:
            return f"the re-embedding from space {plan.active} to {space} is in progress and continues"
        case PlanAction.REEMBED:
            return f"re-embedding from space {plan.active} to {space}"


def _details(plan: RolloutPlan, wanted: EmbeddingCache, approve_command: str) -> Iterator[str]:
    if plan.dropped and plan.action is PlanAction.REEMBED:
        yield f"  space {plan.dropped} is dropped first"
    if plan.changed:
        yield f"  changes: {', '.join(plan.changed)}"
    if plan.action in (PlanAction.NONE, PlanAction.DROP_CANDIDATE) and plan.changed:
        yield f"  pods replaced, a few at a time: {', '.join(plan.rolling) or 'none'}"
    if plan.cost:
        yield from (f"  {line}" for line in format_columns(_rows(plan.cost, wanted.spec)).splitlines())
    if plan.waits_for_approval:
        yield f"  waits for `{approve_command}`"
    if plan.cost and (wanted.spec.paused or wanted.spec.rollout.paused):
        field = "spec.paused" if wanted.spec.paused else "spec.rollout.paused"
        yield f"  {field} is true: nothing is re-embedded until it is false"


def _rows(cost: ReembeddingCost, spec: EmbeddingCacheSpec) -> list[list[str]]:
    kept = format_duration(spec.rollout.keep_previous)
    return [
        ["keys to encode", _keys(cost)],
        ["time", _time(cost, spec)],
        ["encoder time", _encoder_time(cost)],
        ["storage", _storage(cost, spec)],
        ["", f"in addition to the previous space, which is kept for {kept} after the switch"],
    ]


def _keys(cost: ReembeddingCost) -> str:
    if cost.keys is None:
        return "unknown: the active space's embeddings are not counted yet"
    return f"{cost.keys:,}"


def _time(cost: ReembeddingCost, spec: EmbeddingCacheSpec) -> str:
    limit = spec.rollout.max_keys_per_second
    limited = f"at most {limit:,} keys/s (spec.rollout.maxKeysPerSecond)"
    if cost.seconds is None:
        return _unmeasured(cost)
    if cost.at_least or cost.encode_seconds is None:
        return f"at least {format_seconds(cost.seconds)}: {limited}; the encoder is not measured yet"
    calls = spec.kfc.max_inflight
    pods = spec.rollout.parallelism
    parts = f"{cost.encode_seconds:g} s per key with the active encoder, {pods} pods with {calls} calls each"
    more = (f", {limited}" if limit else "") + (
        "; longer under lookup load" if spec.rollout.max_lookup_slowdown else ""
    )
    return f"about {format_seconds(cost.seconds)}: {parts}{more}"


def _encoder_time(cost: ReembeddingCost) -> str:
    return _unmeasured(cost) if cost.encoder_hours is None else f"about {cost.encoder_hours:,.2f} Retina hours"


def _unmeasured(cost: ReembeddingCost) -> str:
    if cost.keys is None:
        return "unknown until the keys are counted"
    return "unknown: the encoder is not measured yet; the first fills measure it"


def _storage(cost: ReembeddingCost, spec: EmbeddingCacheSpec) -> str:
    if cost.stored_bytes is None:
        return "unknown until the keys are counted"
    copies = spec.store.cassandra.replication_factor
    replicas = "1 replica" if copies == 1 else f"each of {copies} replicas"
    return f"{format_bytes(cost.stored_bytes)} of vectors on {replicas}"
