from datetime import timedelta
from typing import Any

import pytest

from embark.names import APPROVED
from embark.rollout.step import ObservedProgress
from embark.rollout.verdict import Verdict
from embark.settings import KfcSettings, ReembedSettings
from embark.termination import TerminationMessage
from embark_operator.cluster.kinds import CACHE, CONFIG_MAP, DEPLOYMENT, EVENT, JOB
from embark_operator.manifests.config_maps import SETTINGS_KEY
from embark_testing.worlds.reconciled_caches import KEY
from embark_testing.worlds.rolled_caches import OTHER, RollingWorld, ready_world

WAY = ["Steady", "Preparing", "Reembedding", "Verifying", "Switching", "Holding"]


@pytest.fixture
def world() -> RollingWorld:
    """A cache that is Ready, in its first space."""
    return ready_world()


def test_a_new_space_is_filled_and_verified_before_it_is_read_and_the_old_one_is_kept(world: RollingWorld) -> None:
    first = world.space("active")
    world.apply_cache(encoder=OTHER)
    phases = ["Steady"]
    while world.phase != "Verifying":
        world.reconcile()
        phases.append(world.phase)
        assert world.embark_settings().active.id == first
        world.react()
    assert world.spaces_with("kfc") == world.spaces_with("retina") == {first, world.space("candidate")}
    phases += world.run_until("Holding")
    assert list(dict.fromkeys(phases)) == WAY
    settings = world.embark_settings()
    assert (settings.active.id, settings.active.dimension) == (world.space("active"), 1000)
    assert settings.previous is not None
    assert settings.previous.id == world.space("previous") == first
    assert world.jobs() == ["schema", "schema"]


def test_the_kfc_of_a_candidate_keeps_the_space_that_it_is_filled_from(world: RollingWorld) -> None:
    first = world.space("active")
    world.apply_cache(encoder=OTHER)
    world.run_until("Preparing")
    world.reconcile()
    second = world.space("candidate")

    def source() -> str:
        text = world.child(CONFIG_MAP, f"photos-kfc-{second}")["data"][SETTINGS_KEY]
        return KfcSettings.model_validate_json(text).source

    assert source() == first
    world.run_until("Holding")
    world.now += timedelta(days=4)
    world.run_until("Steady")
    assert (world.space("active"), source()) == (second, first)


def test_a_rollout_at_rest_causes_no_writes(world: RollingWorld) -> None:
    world.apply_cache(encoder=OTHER)
    world.run_until("Holding")
    world.react()
    world.reconcile()
    world.now += timedelta(hours=1)
    assert world.reconcile() == []


def test_the_previous_space_is_dropped_completely_when_its_time_is_over(world: RollingWorld) -> None:
    first = world.space("active")
    world.apply_cache(encoder=OTHER)
    world.run_until("Holding")
    assert world.result.requeue_after == timedelta(hours=72)
    world.now += timedelta(hours=72)
    seen = set()
    while world.phase != "Steady":
        world.reconcile()
        seen.update(world.jobs())
        if "drop" in world.jobs():
            assert world.embark_settings().previous is None
            assert first not in world.spaces_with("kfc") | world.spaces_with("retina")
        world.react()
    world.reconcile()
    assert "drop" in seen
    assert not [name for _, name in world.children() if first in name]
    assert world.jobs() == ["schema"]
    assert world.status["spaces"].keys() == {"active"}


def test_a_failed_gate_leaves_the_old_space_active_and_is_reported_with_its_reason(world: RollingWorld) -> None:
    first = world.space("active")
    world.verdict = Verdict(keys=100, held=100, failed=5, sampled=50)
    world.apply_cache(encoder=OTHER)
    world.run_until("Halted")
    assert "spec.rollout.maxFailureRatio" in world.status["rollout"]["message"]
    assert (world.status["phase"], world.condition("Ready")["status"]) == ("Halted", "True")
    assert (world.condition("RolledOut")["status"], world.condition("RolledOut")["reason"]) == ("False", "Halted")
    assert world.embark_settings().active.id == first
    events = [
        body for (kind, *_), body in world.cluster.objects.items() if kind == EVENT and body["reason"] == "Halted"
    ]
    assert [(event["type"], "maxFailureRatio" in event["message"]) for event in events] == [("Warning", True)]
    world.react()
    world.reconcile()
    world.now += timedelta(hours=1)
    assert world.reconcile() == []


def test_fixing_the_spec_of_a_halted_rollout_continues_with_a_new_attempt(world: RollingWorld) -> None:
    world.verdict = Verdict(keys=100, held=100, failed=5, sampled=50)
    world.apply_cache(encoder=OTHER)
    world.run_until("Halted")
    world.apply_cache(encoder=OTHER, rollout={"maxFailureRatio": "0.1"})
    world.run_until("Reembedding")
    world.reconcile()
    (text,) = [
        body["data"]["settings.json"]
        for (kind, *_), body in world.cluster.objects.items()
        if kind == CONFIG_MAP and "reembed" in body["metadata"]["name"]
    ]
    assert ReembedSettings.model_validate_json(text).retry_failed
    world.run_until("Holding")


@pytest.mark.parametrize("state", [{"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}, {"running": {}}])
def test_a_crashing_retina_of_a_candidate_halts_the_rollout_with_its_error(
    world: RollingWorld, state: dict[str, Any]
) -> None:
    world.apply_cache(encoder=OTHER)
    world.run_until("Preparing")
    world.held_back = {"schema", "retina"}
    world.reconcile()
    world.react()
    retina = world.child(DEPLOYMENT, f"photos-retina-{world.space('candidate')}")
    ended = {"exitCode": 1, "message": TerminationMessage(error="the model has another digest").to_json()}
    container = {"restartCount": 1, "state": state, "lastState": {"terminated": ended}}
    labels = retina["spec"]["template"]["metadata"]["labels"]
    world.add_pod("default", "crashing", labels, {"containerStatuses": [container]})
    world.reconcile()
    assert world.phase == "Halted"
    assert "the model has another digest" in world.status["rollout"]["message"]
    world.held_back = set()
    assert "Reembedding" in world.run_until("Holding")


def test_a_rollout_that_needs_approval_reports_its_plan_and_creates_nothing_before(world: RollingWorld) -> None:
    first = world.space("active")
    world.apply_cache(encoder=OTHER, rollout={"approval": "Manual"})
    world.run_until("AwaitingApproval")
    world.react()
    world.reconcile()
    assert world.spaces_with("kfc") == {first}
    assert "7 keys" in world.status["rollout"]["message"]
    assert "kubectl embark approve photos" in world.status["rollout"]["message"]
    world.annotate(APPROVED, world.space("candidate"))
    world.run_until("Holding")


def test_progress_is_reported_and_the_job_is_suspended_while_the_rollout_is_paused(world: RollingWorld) -> None:
    world.apply_cache(encoder=OTHER)
    world.held_back = {"reembed"}
    world.run_until("Reembedding")
    world.services.done = ObservedProgress(done=3, failed=0)
    world.now += timedelta(seconds=10)
    world.reconcile()
    assert world.status["rollout"]["done"] == 3
    assert world.status["spaces"]["candidate"]["coverage"] == "0.4285"
    assert world.status["phase"] == "Reembedding"
    world.apply_cache(encoder=OTHER, rollout={"paused": True})
    world.reconcile()
    assert world.child(JOB, "reembed")["spec"]["suspend"] is True
    assert "spec.rollout.paused" in world.status["rollout"]["message"]


@pytest.mark.parametrize("phase", WAY[1:])
def test_a_lost_status_does_not_move_lookups_to_an_unverified_space(world: RollingWorld, phase: str) -> None:
    first = world.space("active")
    world.apply_cache(encoder=OTHER)
    world.run_until(phase)
    world.reconcile()
    before = world.embark_settings().active.id
    assert before == first or phase in ("Switching", "Holding")
    world.cluster.objects[CACHE, *KEY]["status"] = {}
    world.reconcile()
    assert world.space("active") == before
    world.run_until("Holding")
    assert world.space("active") != first


def test_an_edit_outside_of_the_space_starts_no_rollout(world: RollingWorld) -> None:
    first = world.space("active")
    world.apply_cache(encoder={"batch": {"maxSize": 4}}, kfc={"maxInflight": 2}, embark={"readTimeout": "70ms"})
    world.run_until("Steady")
    world.react()
    world.reconcile()
    assert (world.phase, world.space("active"), world.jobs()) == ("Steady", first, ["schema"])
