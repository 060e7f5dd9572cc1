from datetime import timedelta
from typing import Any

import pytest

from embark.names import APPROVED
from embark.rollout.advance import advance
from embark.rollout.state import RolloutPhase, RolloutState, initial_rollout
from embark.rollout.step import ObservedJob, ObservedProgress, ObservedRollout
from embark_testing.worlds.rollout_parts import BEGIN, encoder, filling, space, steady, switched, wanting

LATER = BEGIN + timedelta(minutes=10)
MANUAL: dict[str, Any] = {"approval": "Manual"}
FILLING = [
    RolloutPhase.PREPARING,
    RolloutPhase.REEMBEDDING,
    RolloutPhase.VERIFYING,
    RolloutPhase.HALTED,
]


def step(rollout: RolloutState, seen: ObservedRollout | None = None, *, wants: str = "b", **spec: Any) -> RolloutState:
    return advance(rollout, wanting(wants, **spec), seen or ObservedRollout(), LATER)


def test_a_cache_that_has_what_its_spec_wants_does_not_change() -> None:
    assert step(steady(), wants="a") == steady()


def test_an_encoder_of_another_space_begins_a_rollout_from_the_active_one() -> None:
    begun = step(steady(), ObservedRollout(entries=40))
    assert begun.phase is RolloutPhase.PREPARING
    assert begun.active == steady().active
    assert begun.spaces.candidate
    assert (begun.spaces.candidate.id, begun.spaces.candidate.source) == (space("b"), space("a"))
    assert (begun.status.total, begun.status.started_at, begun.status.since) == (40, LATER, LATER)


def test_a_rollout_forgets_the_figures_of_the_one_before_it() -> None:
    before = steady().with_status(done=5, failed=6, attempt=7, message="old", halted_in="Verifying")
    begun = step(before).status
    assert (begun.done, begun.failed, begun.attempt, begun.message, begun.halted_in) == (0, 0, 0, "", "")


def test_an_edit_that_keeps_the_space_is_applied_and_begins_nothing() -> None:
    cache = wanting("a")
    fetch = cache.spec.encoder.fetch.model_copy(update={"max_redirects": 9})
    edited = cache.spec.encoder.model_copy(update={"fetch": fetch})
    cache = cache.model_copy(update={"spec": cache.spec.model_copy(update={"encoder": edited})})
    after = advance(steady(), cache, ObservedRollout(), LATER)
    assert after.phase is RolloutPhase.STEADY
    assert after.active.encoder == edited
    assert after.spaces.active == after.active


@pytest.mark.parametrize("phase", [RolloutPhase.AWAITING_APPROVAL, *FILLING])
def test_an_edit_that_keeps_the_candidate_s_space_reaches_only_the_candidate(phase: RolloutPhase) -> None:
    cache = wanting("b", **MANUAL)
    batch = cache.spec.encoder.batch.model_copy(update={"max_size": 99})
    edited = cache.spec.encoder.model_copy(update={"batch": batch})
    cache = cache.model_copy(update={"spec": cache.spec.model_copy(update={"encoder": edited})})
    after = advance(filling(phase, halted_in="Preparing"), cache, ObservedRollout(), LATER)
    assert after.spaces.candidate
    assert after.spaces.candidate.encoder == edited
    assert after.active.encoder == encoder("a")


def test_an_edit_that_keeps_the_previous_space_is_a_rollback_to_it_as_it_is_now() -> None:
    cache = wanting("a")
    edited = cache.spec.encoder.model_copy(
        update={"batch": cache.spec.encoder.batch.model_copy(update={"max_size": 9})}
    )
    cache = cache.model_copy(update={"spec": cache.spec.model_copy(update={"encoder": edited})})
    after = advance(switched(RolloutPhase.HOLDING, LATER), cache, ObservedRollout(), BEGIN)
    assert after.active.encoder == edited


def test_approval_manual_waits_and_names_the_command_that_approves() -> None:
    waiting = step(steady(), ObservedRollout(entries=40), **MANUAL)
    assert waiting.phase is RolloutPhase.AWAITING_APPROVAL
    later = step(waiting, ObservedRollout(entries=41), **MANUAL)
    assert later.phase is RolloutPhase.AWAITING_APPROVAL
    for word in ("41 keys", space("b"), "kubectl embark approve photos -n default"):
        assert word in later.status.message


def test_a_space_that_waits_for_approval_has_no_pods() -> None:
    waiting = filling(RolloutPhase.AWAITING_APPROVAL)
    assert [served.id for served in waiting.served] == [space("a")]
    assert [served.id for served in filling(RolloutPhase.PREPARING).served] == [space("a"), space("b")]


def test_the_annotation_for_the_wanted_space_approves() -> None:
    waiting = filling(RolloutPhase.AWAITING_APPROVAL)
    after = step(waiting, annotations={APPROVED: space("b")}, **MANUAL)
    assert after.phase is RolloutPhase.PREPARING


def test_the_annotation_for_another_space_approves_nothing() -> None:
    waiting = filling(RolloutPhase.AWAITING_APPROVAL)
    for other in ("a", "c"):
        after = step(waiting, annotations={APPROVED: space(other)}, **MANUAL)
        assert after.phase is RolloutPhase.AWAITING_APPROVAL


def test_a_rollout_that_was_approved_before_it_began_does_not_wait() -> None:
    assert step(steady(), annotations={APPROVED: space("b")}, **MANUAL).phase is RolloutPhase.PREPARING


def test_approval_auto_ends_the_wait() -> None:
    assert step(filling(RolloutPhase.AWAITING_APPROVAL)).phase is RolloutPhase.PREPARING


def test_a_plan_that_is_withdrawn_leaves_nothing_behind() -> None:
    after = step(filling(RolloutPhase.AWAITING_APPROVAL), wants="a", **MANUAL)
    assert after.spaces == steady().spaces
    assert after.status == steady().status.model_copy(update={"since": LATER})


def test_a_plan_for_a_further_space_replaces_the_one_that_waits() -> None:
    after = step(filling(RolloutPhase.AWAITING_APPROVAL), wants="c", **MANUAL)
    assert after.phase is RolloutPhase.AWAITING_APPROVAL
    assert after.spaces.candidate
    assert (after.spaces.candidate.id, after.spaces.dropped) == (space("c"), None)
    assert after.status.started_at == LATER


def test_a_candidate_that_is_not_ready_reports_what_it_waits_for() -> None:
    after = step(filling(RolloutPhase.PREPARING), ObservedRollout(candidate_reason="the tables are being made"))
    assert (after.phase, after.status.message) == (RolloutPhase.PREPARING, "the tables are being made")


def test_a_candidate_that_is_ready_is_filled() -> None:
    after = step(filling(RolloutPhase.PREPARING), ObservedRollout(candidate_ready=True, entries=40))
    assert (after.phase, after.status.total) == (RolloutPhase.REEMBEDDING, 40)


def test_a_candidate_that_cannot_start_halts_the_rollout_with_the_message_of_its_pod() -> None:
    seen = ObservedRollout(candidate_failed=True, candidate_reason="spec.encoder.model.digest: the file has another")
    after = step(filling(RolloutPhase.PREPARING), seen)
    assert after.phase is RolloutPhase.HALTED
    assert "spec.encoder.model.digest: the file has another" in after.status.message
    assert after.status.halted_in == RolloutPhase.PREPARING
    assert after.active == steady().active


def test_a_rollout_counts_what_is_done_and_expects_the_rest_to_take_as_long() -> None:
    after = step(filling(RolloutPhase.REEMBEDDING), ObservedRollout(progress=ObservedProgress(24, 1), entries=100))
    assert (after.status.done, after.status.failed, after.status.total) == (24, 1, 100)
    assert after.spaces.candidate
    assert after.spaces.candidate.coverage == "0.2500"
    assert after.status.estimated_seconds == 1800


def test_without_an_answer_the_figures_stay_as_they_are() -> None:
    counting = filling(RolloutPhase.REEMBEDDING, done=24, failed=1)
    assert step(counting) == counting


def test_only_a_complete_coverage_reads_1() -> None:
    many = filling(RolloutPhase.REEMBEDDING, total=1_000_000)
    after = step(many, ObservedRollout(progress=ObservedProgress(999_999, 0), entries=1_000_000))
    assert after.spaces.candidate
    assert after.spaces.candidate.coverage == "0.9999"


def test_keys_beyond_those_counted_at_first_belong_to_the_total() -> None:
    after = step(filling(RolloutPhase.REEMBEDDING), ObservedRollout(progress=ObservedProgress(120, 0)))
    assert (after.status.total, after.status.done) == (120, 120)


def test_a_scan_that_is_over_is_checked() -> None:
    after = step(filling(RolloutPhase.REEMBEDDING), ObservedRollout(scan=ObservedJob(complete=True)))
    assert after.phase is RolloutPhase.VERIFYING


def test_a_scan_that_has_failed_halts_the_rollout() -> None:
    after = step(
        filling(RolloutPhase.REEMBEDDING), ObservedRollout(scan=ObservedJob(failed=True, reason="out of memory"))
    )
    assert (after.phase, after.status.halted_in) == (RolloutPhase.HALTED, RolloutPhase.REEMBEDDING)
    assert "out of memory" in after.status.message


def test_a_failed_pod_of_the_scan_is_reported_while_others_try() -> None:
    after = step(filling(RolloutPhase.REEMBEDDING), ObservedRollout(scan=ObservedJob(reason="no route to host")))
    assert (after.phase, after.status.message) == (RolloutPhase.REEMBEDDING, "no route to host")


@pytest.mark.parametrize(
    ("failed", "phase"), [(0, RolloutPhase.REEMBEDDING), (5, RolloutPhase.REEMBEDDING), (6, RolloutPhase.VERIFYING)]
)
def test_more_failures_than_may_be_are_checked_at_once(failed: int, phase: RolloutPhase) -> None:
    seen = ObservedRollout(entries=100, progress=ObservedProgress(10, failed))
    assert step(filling(RolloutPhase.REEMBEDDING), seen, maxFailureRatio="0.05").phase is phase


def test_a_first_failure_does_not_end_a_scan_whose_keys_were_not_counted() -> None:
    seen = ObservedRollout(progress=ObservedProgress(3, 1))
    assert step(filling(RolloutPhase.REEMBEDDING, total=0), seen).phase is RolloutPhase.REEMBEDDING


def test_keys_added_during_the_scan_count_against_the_failures() -> None:
    seen = ObservedRollout(entries=1000, progress=ObservedProgress(10, 6))
    rollout = filling(RolloutPhase.REEMBEDDING, total=16)
    assert step(rollout, seen, maxFailureRatio="0.05").phase is RolloutPhase.REEMBEDDING


def test_a_pause_names_its_field() -> None:
    after = step(filling(RolloutPhase.REEMBEDDING), paused=True)
    assert (after.phase, after.status.message) == (RolloutPhase.REEMBEDDING, "paused by spec.rollout.paused")
    assert step(after).status.message == ""


@pytest.mark.parametrize("phase", FILLING)
def test_the_spec_set_back_drops_the_candidate_and_nothing_else(phase: RolloutPhase) -> None:
    ready = ObservedRollout(candidate_ready=True, scan=ObservedJob(complete=True), candidate_failed=True)
    after = step(filling(phase), ready, wants="a")
    assert (after.phase, after.active) == (RolloutPhase.ROLLING_BACK, steady().active)
    assert after.spaces.dropped
    assert (after.spaces.dropped.id, after.spaces.dropped.released) == (space("b"), False)
    assert after.spaces.candidate is None
    assert space("b") in after.status.message


@pytest.mark.parametrize("phase", FILLING)
def test_a_superseded_candidate_is_dropped_before_the_next_is_begun(phase: RolloutPhase) -> None:
    seen = ObservedRollout(embark_rolled=True, dropped_idle=True, drop=ObservedJob(complete=True), candidate_ready=True)
    rollout, phases = filling(phase), []
    for _ in range(6):
        rollout = step(rollout, seen, wants="c")
        phases.append(rollout.phase)
    assert phases[:5] == [RolloutPhase.ROLLING_BACK] * 3 + [RolloutPhase.STEADY, RolloutPhase.PREPARING]
    assert rollout.spaces.candidate
    assert (rollout.spaces.candidate.id, rollout.spaces.candidate.source) == (space("c"), space("a"))
    assert rollout.spaces.dropped is None


def test_a_cache_is_first_the_space_of_its_encoder() -> None:
    assert initial_rollout(encoder("c"), BEGIN).served == (initial_rollout(encoder("c"), BEGIN).active,)
