from typing import Any

import pytest

from embark.cli.rollout.amounts import format_bytes, format_seconds
from embark.cli.rollout.plan_lines import format_plan
from embark.cli.rollout.rollout_plan import PlanAction, ReembeddingCost, RolloutPlan, plan_rollout
from embark.names import APPROVED
from embark.space import Space
from embark.spec import EmbeddingCache, Encoder
from embark.spec.status import EmbeddingCacheStatus
from embark_testing.caches import sample
from embark_testing.worlds.rollout_commands import NEW, OLD, THIRD_MODEL, encoder_with, record

OLD_ID, NEW_ID = Space.from_encoder(OLD).id, Space.from_encoder(NEW).id
THIRD = encoder_with(**THIRD_MODEL)


def _cache(encoder: Encoder = OLD, status: dict[str, Any] | None = None, **spec: Any) -> EmbeddingCache:
    cache = sample("photos", **spec)
    found = EmbeddingCacheStatus.model_validate_json(
        EmbeddingCacheStatus.model_validate(status or {}).model_dump_json()
    )
    changed = cache.spec.model_copy(update={"encoder": encoder})
    return cache.model_copy(update={"spec": changed, "status": found})


def _live(encoder: Encoder = OLD, **status: Any) -> EmbeddingCache:
    return _cache(encoder, {"spaces": {"active": record(OLD)}} | status)


def _measured(entries: int, seconds: str) -> dict[str, Any]:
    return {"entries": entries, "encodeSeconds": seconds}


def _cost(plan: RolloutPlan) -> ReembeddingCost:
    assert plan.cost is not None
    return plan.cost


def _text(live: EmbeddingCache, wanted: EmbeddingCache) -> str:
    return "\n".join(format_plan(plan_rollout(live, wanted), wanted, "embark approve photos"))


def test_the_same_encoder_re_embeds_nothing_and_replaces_no_pods() -> None:
    plan = plan_rollout(_live(), _cache())
    assert (plan.action, plan.changed, plan.rolling, plan.cost) == (PlanAction.NONE, (), (), None)
    assert _text(_live(), _cache()) == f"default/photos: no re-embedding: same space {OLD_ID}"


@pytest.mark.parametrize(
    ("change", "field", "rolling"),
    [
        ({"embark": {"readTimeout": "40ms"}}, "spec.embark.readTimeout", ("EmbArk",)),
        ({"kfc": {"maxInflight": 9}}, "spec.kfc.maxInflight", ("KFC",)),
        ({"retina": {"resources": {"limits": {"cpu": "2"}}}}, "spec.retina.resources", ("Retina",)),
        ({"store": {"ttl": "24h"}}, "spec.store.ttl", ("EmbArk", "KFC")),
        ({"retina": {"autoscaling": {"max": 9}}}, "spec.retina.autoscaling", ()),
        ({"rollout": {"parallelism": 9}}, "spec.rollout.parallelism", ()),
    ],
)
def test_an_edit_that_keeps_the_space_names_the_services_whose_pods_are_replaced(
    change: dict[str, Any], field: str, rolling: tuple[str, ...]
) -> None:
    plan = plan_rollout(_live(), _cache(**change))
    assert (plan.action, plan.changed, plan.rolling) == (PlanAction.NONE, (field,), rolling)
    assert f"changes: {field}" in _text(_live(), _cache(**change))


def test_the_address_of_a_model_is_not_part_of_the_space_and_replaces_retinas_pods() -> None:
    moved = encoder_with(model={"uri": "s3://models/efficientnet-lite0.onnx"})
    plan = plan_rollout(_live(), _cache(moved))
    assert (plan.action, plan.rolling) == (PlanAction.NONE, ("Retina",))


def test_the_replaced_services_of_a_cache_with_an_oov_vector_are_known_without_the_vector() -> None:
    vector: dict[str, Any] = {"miss": {"oov": "Vector", "oovVectorConfigMap": "mean"}}
    live = _cache(status={"spaces": {"active": record(OLD)}}, **vector)
    assert plan_rollout(live, _cache(**vector, kfc={"maxInflight": 9})).rolling == ("KFC",)


def test_the_duration_is_the_time_of_all_keys_divided_by_the_concurrent_calls() -> None:
    live = _live(cache=_measured(100_000, "0.2"))
    wanted = _cache(NEW, rollout={"parallelism": 5}, kfc={"maxInflight": 4})
    cost = _cost(plan_rollout(live, wanted))
    assert (cost.keys, cost.seconds, cost.at_least) == (100_000, 1000, False)
    assert cost.encoder_hours == pytest.approx(20_000 / 3600)
    assert cost.stored_bytes == 100_000 * 512 * 4


def test_the_rate_limit_bounds_the_duration_from_below() -> None:
    live = _live(cache=_measured(100_000, "0.2"))
    slow = _cache(NEW, rollout={"parallelism": 5, "maxKeysPerSecond": 50})
    fast = _cache(NEW, rollout={"parallelism": 5, "maxKeysPerSecond": 5000})
    assert [_cost(plan_rollout(live, wanted)).seconds for wanted in (slow, fast)] == [2000, 1000]


def test_without_a_measured_encoder_only_the_rate_limit_gives_a_duration() -> None:
    live = _live(cache=_measured(1000, ""))
    unknown = _cost(plan_rollout(live, _cache(NEW)))
    assert (unknown.seconds, unknown.encoder_hours, unknown.stored_bytes) == (None, None, 1000 * 512 * 4)
    assert "time            unknown: the encoder is not measured yet" in _text(live, _cache(NEW))
    limited = _cache(NEW, rollout={"maxKeysPerSecond": 10})
    assert (_cost(plan_rollout(live, limited)).seconds, _cost(plan_rollout(live, limited)).at_least) == (100, True)
    assert "at least 1m40s" in _text(live, limited)


def test_without_a_count_of_the_keys_every_cost_is_unknown() -> None:
    live = _live(cache=_measured(0, "0.2"))
    wanted = _cache(NEW, rollout={"maxKeysPerSecond": 10})
    cost = _cost(plan_rollout(live, wanted))
    assert (cost.keys, cost.seconds, cost.encoder_hours, cost.stored_bytes) == (None, None, None, None)
    text = _text(live, wanted)
    assert text.count("unknown") == 4
    assert "0 keys" not in text


@pytest.mark.parametrize("seconds", ["fast", "nan", "inf", "-1"])
def test_an_invalid_measurement_is_unknown(seconds: str) -> None:
    cost = _cost(plan_rollout(_live(cache=_measured(10, seconds)), _cache(NEW)))
    assert (cost.encode_seconds, cost.seconds) == (None, None)


def test_a_cache_without_a_status_is_compared_with_its_spec() -> None:
    plan = plan_rollout(_cache(), _cache(NEW))
    assert (plan.action, plan.active, _cost(plan).keys) == (PlanAction.REEMBED, OLD_ID, None)
    assert plan_rollout(_cache(), _cache()).action is PlanAction.NONE


def test_a_plan_shows_everything_that_a_decision_needs() -> None:
    live = _live(cache=_measured(100_000, "0.2"))
    wanted = _cache(NEW, rollout={"approval": "Manual"}, store={"cassandra": {"replicationFactor": 3}})
    parts = "0.2 s per key with the active encoder, 2 pods with 4 calls each"
    assert _text(live, wanted).splitlines() == [
        f"default/photos: re-embedding from space {OLD_ID} to space {NEW_ID} (other, 512 x float32)",
        "  changes: spec.encoder.model, spec.encoder.output, spec.rollout.approval, spec.store.cassandra",
        "  keys to encode  100,000",
        f"  time            about 41m40s: {parts}; longer under lookup load",
        "  encoder time    about 5.56 Retina hours",
        "  storage         195.3 MiB of vectors on each of 3 replicas",
        "                  in addition to the previous space, which is kept for 72h after the switch",
        "  waits for `embark approve photos`",
    ]


def test_an_approved_space_does_not_wait_for_approval() -> None:
    live, wanted = _live(), _cache(NEW, rollout={"approval": "Manual"})
    metadata = live.metadata.model_copy(update={"annotations": {APPROVED: NEW_ID}})
    assert plan_rollout(live, wanted).waits_for_approval
    assert not plan_rollout(live.model_copy(update={"metadata": metadata}), wanted).waits_for_approval


def test_the_plan_of_a_paused_cache_says_that_nothing_is_re_embedded() -> None:
    assert "spec.rollout.paused is true" in _text(_live(), _cache(NEW, rollout={"paused": True}))


def _rolling_out(phase: str = "Reembedding", **rollout: Any) -> EmbeddingCache:
    spaces = {"active": record(OLD), "candidate": record(NEW)}
    return _live(NEW, spaces=spaces, cache=_measured(1000, "0.8"), rollout={"phase": phase, **rollout})


def test_a_rollout_in_progress_has_only_the_remaining_keys_to_encode() -> None:
    live = _rolling_out(total=1200, done=390, failed=10)
    plan = plan_rollout(live, live)
    assert (plan.action, _cost(plan).keys, _cost(plan).seconds) == (PlanAction.CONTINUE, 800, 80)
    assert _cost(plan).stored_bytes == 1200 * 512 * 4
    assert "is in progress and continues" in _text(live, live)


def test_going_back_during_a_rollout_drops_the_candidate_and_encodes_nothing() -> None:
    plan = plan_rollout(_rolling_out(), _cache())
    assert (plan.action, plan.dropped, plan.cost) == (PlanAction.DROP_CANDIDATE, NEW_ID, None)


def test_a_third_space_drops_the_candidate_first() -> None:
    plan = plan_rollout(_rolling_out(), _cache(THIRD))
    assert (plan.action, plan.dropped, _cost(plan).keys) == (PlanAction.REEMBED, NEW_ID, 1000)
    assert f"space {NEW_ID} is dropped first" in _text(_rolling_out(), _cache(THIRD))


def test_going_back_to_the_previous_space_encodes_nothing() -> None:
    live = _live(NEW, spaces={"active": record(NEW), "previous": record(OLD)}, rollout={"phase": "Holding"})
    plan = plan_rollout(live, _cache())
    assert (plan.action, plan.dropped, plan.cost) == (PlanAction.ROLL_BACK, NEW_ID, None)
    assert "lookups move back to it" in _text(live, _cache())


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (-3, "0s"), (59.6, "1m0s"), (750, "12m30s"), (18720, "5h12m"), (273_600, "3d4h")]
)
def test_times_are_shown_in_their_two_largest_units(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(512, "512 B"), (10_276_045, "9.8 MiB"), (2**40, "1.0 TiB"), (2**52, "4096.0 TiB")]
)
def test_sizes_are_shown_in_a_fitting_unit(count: int, text: str) -> None:
    assert format_bytes(count) == text
