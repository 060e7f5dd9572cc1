from datetime import timedelta

import pytest

from embark.rollout.state import RolloutPhase, RolloutState
from embark.settings import filling_settings_for
from embark.spec.status import EmbeddingCacheStatus, RolloutStatus, Spaces
from embark_operator.cluster.kinds import CONFIG_MAP, Child
from embark_operator.manifests.build import build
from embark_operator.manifests.config_maps import SETTINGS_KEY
from embark_operator.names import COMPONENT_LABEL, Manifest
from embark_operator.observe.restore import encoder_from_settings, restore
from embark_testing.worlds.child_manifests import build_context
from embark_testing.worlds.rollout_parts import (
    BEGIN,
    encoder,
    filling,
    halted,
    leaving,
    space,
    steady,
    switched,
    wanting,
)

LATER = BEGIN + timedelta(minutes=10)
LOST = EmbeddingCacheStatus()
STATES = [
    steady(),
    filling(RolloutPhase.AWAITING_APPROVAL),
    filling(RolloutPhase.PREPARING),
    filling(RolloutPhase.REEMBEDDING, done=5),
    filling(RolloutPhase.VERIFYING),
    halted(RolloutPhase.VERIFYING),
    switched(RolloutPhase.SWITCHING),
    switched(RolloutPhase.HOLDING, LATER),
    leaving("b", RolloutPhase.ROLLING_BACK),
    leaving("a", RolloutPhase.HOLDING, "b", released=True),
    steady().with_phase(RolloutPhase.ROLLING_BACK, BEGIN),
    steady("b").with_phase(RolloutPhase.HOLDING, BEGIN),
]


def build_children(rollout: RolloutState, wants: str = "b") -> dict[Child, Manifest]:
    return {Child.from_manifest(body): body for body in build(build_context(wanting(wants), rollout=rollout)).manifests}


def restored(rollout: RolloutState, wants: str = "b") -> RolloutState:
    """Return what is restored of a rollout only from its children."""
    return restore(wanting(wants), LOST, build_children(rollout, wants), LATER)


def without(live: dict[Child, Manifest], component: str) -> dict[Child, Manifest]:
    return {child: body for child, body in live.items() if body["metadata"]["labels"][COMPONENT_LABEL] != component}


@pytest.mark.parametrize("rollout", STATES, ids=lambda rollout: rollout.phase)
def test_an_existing_status_is_the_state(rollout: RolloutState) -> None:
    status = EmbeddingCacheStatus(spaces=rollout.spaces, rollout=rollout.status)
    read = EmbeddingCacheStatus.model_validate_json(status.model_dump_json(by_alias=True, exclude_none=True))
    assert restore(wanting("c"), read, {}, LATER) == rollout


@pytest.mark.parametrize("rollout", STATES, ids=lambda rollout: rollout.phase)
@pytest.mark.parametrize("wants", ["a", "b", "c"])
def test_a_lost_status_never_moves_lookups(rollout: RolloutState, wants: str) -> None:
    after = restored(rollout, wants)
    assert after.active.id == rollout.active.id
    assert after.active.encoder == rollout.active.encoder
    assert after.spaces.active == after.active


def test_a_cache_without_children_is_the_space_of_its_spec() -> None:
    assert restore(wanting("c"), LOST, {}, LATER).active.id == space("c")


@pytest.mark.parametrize(
    "phase",
    [RolloutPhase.PREPARING, RolloutPhase.REEMBEDDING, RolloutPhase.VERIFYING, RolloutPhase.HALTED],
)
def test_a_candidate_is_restored_from_its_kfc_and_prepared_again(phase: RolloutPhase) -> None:
    after, before = restored(filling(phase), "c"), filling(phase).spaces.candidate
    assert (after.phase, after.status.started_at) == (RolloutPhase.PREPARING, LATER)
    assert before
    assert after.spaces.candidate == before
    assert "lost" in after.status.message


@pytest.mark.parametrize("phase", [RolloutPhase.SWITCHING, RolloutPhase.HOLDING])
def test_a_previous_space_is_restored_from_embark_s_settings_and_kept_again(phase: RolloutPhase) -> None:
    after = restored(switched(phase, BEGIN))
    assert after.phase is RolloutPhase.HOLDING
    assert after.spaces.previous
    assert (after.spaces.previous.id, after.spaces.previous.encoder) == (space("a"), encoder("a"))
    assert after.spaces.previous.kept_until == LATER + wanting("b").spec.rollout.keep_previous
    assert after.spaces.candidate is None


@pytest.mark.parametrize(("wants", "left", "active"), [("a", "b", "a"), ("c", "b", "a"), ("b", "a", "b")])
def test_a_drop_that_was_begun_is_restored_from_its_settings(wants: str, left: str, active: str) -> None:
    before = leaving(left, RolloutPhase.ROLLING_BACK, active, released=True)
    after = restored(before, wants)
    assert after.phase is RolloutPhase.ROLLING_BACK
    assert (before.spaces.dropped, after.spaces.candidate) != (None, None)
    assert after.spaces.dropped
    assert (after.spaces.dropped.id, after.spaces.dropped.released) == (space(left), False)
    assert after.spaces.dropped.encoder.model.digest == encoder(left).model.digest


def test_a_space_that_waits_to_be_released_is_not_forgotten() -> None:
    after = restored(leaving("b", RolloutPhase.ROLLING_BACK), "a")
    assert after.spaces.dropped
    assert after.spaces.dropped.id == space("b")


def test_a_space_that_is_filled_from_elsewhere_is_dropped_and_no_candidate() -> None:
    """As after a pass that crashed between writing EmbArk's settings and pruning a dropped space."""
    live = build_children(filling(RolloutPhase.PREPARING), "a")
    live |= {
        child: body
        for child, body in build_children(steady("b"), "b").items()
        if child.kind == CONFIG_MAP and body["metadata"]["labels"][COMPONENT_LABEL] in ("kfc", "retina")
    }
    after = restore(wanting("b"), LOST, live, LATER)
    assert (after.phase, after.spaces.candidate) == (RolloutPhase.ROLLING_BACK, None)
    assert after.spaces.dropped
    assert after.spaces.dropped.id == space("b")


def test_settings_written_by_another_program_are_ignored() -> None:
    live = build_children(filling(RolloutPhase.PREPARING))
    for body in live.values():
        if body["metadata"]["labels"][COMPONENT_LABEL] == "kfc" and "data" in body:
            body["data"] = {SETTINGS_KEY: "{}"}
    after = restore(wanting("b"), LOST, live, LATER)
    assert (after.phase, after.active.id) == (RolloutPhase.STEADY, space("a"))


def test_an_active_space_whose_encoder_is_lost_too_gives_way_to_that_of_the_spec() -> None:
    live = without(build_children(steady(), "b"), "retina")
    assert restore(wanting("b"), LOST, live, LATER).active.id == space("b")
    assert restore(wanting("a"), LOST, live, LATER).active.id == space("a")


@pytest.mark.parametrize(
    "broken",
    [
        filling(RolloutPhase.STEADY),
        filling(RolloutPhase.SWITCHING),
        steady().with_phase(RolloutPhase.VERIFYING, BEGIN),
        steady().with_phase(RolloutPhase.SWITCHING, BEGIN),
        switched(RolloutPhase.PREPARING),
        leaving("b", RolloutPhase.STEADY),
        steady().with_status(phase="Elsewhere"),
    ],
    ids=["candidate", "switching", "verifying", "previous", "preparing", "dropped", "unknown"],
)
def test_a_phase_that_does_not_go_with_the_spaces_is_a_lost_status(broken: RolloutState) -> None:
    status = EmbeddingCacheStatus(spaces=broken.spaces, rollout=broken.status)
    live = build_children(filling(RolloutPhase.REEMBEDDING))
    after = restore(wanting("b"), status, live, LATER)
    assert after == restored(filling(RolloutPhase.REEMBEDDING))
    assert after.phase is RolloutPhase.PREPARING


def test_spaces_without_a_rollout_are_those_of_a_cache_at_rest() -> None:
    status = EmbeddingCacheStatus(spaces=Spaces(active=steady().active), rollout=RolloutStatus())
    assert restore(wanting("b"), status, {}, LATER) == steady()


def test_an_encoder_is_read_back_from_its_retina_as_it_was() -> None:
    cache = wanting("b")
    assert encoder_from_settings(filling_settings_for(cache).retina) == cache.spec.encoder
