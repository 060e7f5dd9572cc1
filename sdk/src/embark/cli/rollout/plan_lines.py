"""A plan in lines for people; pure. What is not known is said to be unknown, and when it will be known."""

from collections.abc import Iterator, Sequence

from embark.cli.tables import table
from embark.names import cache_name
from embark.spec import EmbeddingCache, EmbeddingCacheSpec
from embark.spec.quantities import format_duration
from embark_operator.cli.amounts import size, span
from embark_operator.cli.costs import Cost
from embark_operator.cli.plans import Plan, Way


def plan_lines(plan: Plan, wanted: EmbeddingCache) -> Sequence[str]:
    """Return what `plan`, of the cache that is `wanted`, says."""
    return [f"{cache_name(wanted)}: {_headline(plan)}", *_sequel(plan, wanted)]


def _headline(plan: Plan) -> str:
    output = plan.encoder.output
    space = f"space {plan.space} ({plan.encoder.model.name}, {output.dimension} x {output.dtype})"
    match plan.way:
        case Way.SAME:
            return f"no re-embedding: same space {plan.space}"
        case Way.BACK:
            return f"no re-embedding: look-ups read space {plan.space} already; the candidate {plan.dropped} is dropped"
        case Way.ROLL_BACK:
            return f"no re-embedding: {space} is still kept; look-ups move back to it, and {plan.dropped} is dropped"
        case Way.GO_ON:
            return f"the re-embedding from space {plan.active} to {space} is under way and goes on"
        case Way.REEMBED:
            return f"re-embedding from space {plan.active} to {space}"


def _sequel(plan: Plan, wanted: EmbeddingCache) -> Iterator[str]:
    if plan.dropped and plan.way is Way.REEMBED:
        yield f"  space {plan.dropped} is dropped first"
    if plan.changed:
        yield f"  changes: {', '.join(plan.changed)}"
    if plan.way in (Way.SAME, Way.BACK) and plan.changed:
        yield f"  pods that are replaced, a few at a time: {', '.join(plan.rolling) or 'none'}"
    if plan.cost:
        yield from (f"  {line}" for line in table(_rows(plan.cost, wanted.spec)).splitlines())
    if plan.waits_for_approval:
        name, namespace = wanted.metadata.name, wanted.metadata.namespace
        yield f"  waits for `kubectl embark approve {name} -n {namespace}`"
    if plan.cost and (wanted.spec.paused or wanted.spec.rollout.paused):
        field = "spec.paused" if wanted.spec.paused else "spec.rollout.paused"
        yield f"  {field} is true: nothing is re-embedded until it is false"


def _rows(cost: Cost, spec: EmbeddingCacheSpec) -> list[list[str]]:
    copies = spec.store.cassandra.replication_factor
    kept = format_duration(spec.rollout.keep_previous)
    return [
        ["keys to encode", _keys(cost)],
        ["time", _time(cost, spec)],
        ["encoder time", _encoder_time(cost)],
        ["storage", f"{_storage(cost)} on each of {copies} {'replica' if copies == 1 else 'replicas'}"],
        ["", f"the space before is kept for {kept} after the switch, beside the new one"],
    ]


def _keys(cost: Cost) -> str:
    if cost.keys is None:
        return "unknown: no embeddings of the active space were counted yet"
    return f"{cost.keys:,}"


def _time(cost: Cost, spec: EmbeddingCacheSpec) -> str:
    limit = spec.rollout.max_keys_per_second
    limited = f"at most {limit:,} keys/s by spec.rollout.maxKeysPerSecond"
    if cost.seconds is None:
        return _unmeasured(cost)
    if cost.at_least or cost.encode_seconds is None:
        return f"at least {span(cost.seconds)}: {limited}; no encoder was measured yet"
    calls = spec.kfc.max_inflight
    pods = spec.rollout.parallelism
    parts = f"{cost.encode_seconds:g} s a key as the active encoder takes, {pods} pods with {calls} calls each"
    more = (f", {limited}" if limit else "") + ("; longer beside look-ups" if spec.rollout.max_lookup_slowdown else "")
    return f"about {span(cost.seconds)}: {parts}{more}"


def _encoder_time(cost: Cost) -> str:
    return _unmeasured(cost) if cost.encoder_hours is None else f"about {cost.encoder_hours:,.2f} Retina hours"


def _unmeasured(cost: Cost) -> str:
    if cost.keys is None:
        return "unknown, as the number of keys"
    return "unknown: no encoder was measured yet, which the first fills do"


def _storage(cost: Cost) -> str:
    return "unknown, as the number of keys," if cost.stored_bytes is None else f"{size(cost.stored_bytes)} of vectors"
