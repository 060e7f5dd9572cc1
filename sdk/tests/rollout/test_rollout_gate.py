from datetime import datetime, timedelta
from typing import Any

import pytest

from embark.names import RESUMED
from embark.rollout.advance import advance
from embark.rollout.state import RolloutPhase, RolloutState
from embark.rollout.step import ObservedJob, ObservedRollout
from embark.rollout.verdict import Verdict
from embark_testing.worlds.rollout_parts import BEGIN, GENERATION, PASSED, filling, halted, space, steady, wanting

LATER = BEGIN + timedelta(minutes=10)
FIT = ObservedRollout(verdict=PASSED, behind=0, verification=ObservedJob(complete=True))


def step(rollout: RolloutState, seen: ObservedRollout | None = None, *, wants: str = "b", **spec: Any) -> RolloutState:
    return advance(rollout, wanting(wants, **spec), seen or ObservedRollout(), LATER)


def test_lookups_switch_to_a_candidate_that_has_passed_and_caught_up() -> None:
    after = step(filling(RolloutPhase.VERIFYING), FIT)
    assert (after.phase, after.active.id, after.active.since) == (RolloutPhase.SWITCHING, space("b"), LATER)
    assert after.spaces.active == after.active
    assert after.spaces.previous
    assert (after.spaces.previous.id, after.spaces.previous.kept_until) == (space("a"), None)
    assert after.spaces.candidate is None


def test_nothing_is_decided_while_there_is_no_verdict() -> None:
    waiting = filling(RolloutPhase.VERIFYING)
    assert step(waiting, ObservedRollout(behind=0)) == waiting


@pytest.mark.parametrize(
    ("verdict", "field"),
    [
        (Verdict(keys=100, held=98, failed=0, sampled=98), "spec.rollout.minCoverage is 0.99"),
        (Verdict(keys=100, held=100, failed=2, sampled=98), "spec.rollout.maxFailureRatio is 0.01"),
        (Verdict(keys=100, held=100, failed=0, sampled=100, faults=("k: not finite",)), "k: not finite"),
    ],
    ids=["coverage", "failures", "faults"],
)
def test_a_gate_that_is_not_passed_halts_and_says_which(verdict: Verdict, field: str) -> None:
    after = step(filling(RolloutPhase.VERIFYING), ObservedRollout(verdict=verdict, behind=0))
    assert (after.phase, after.status.halted_in) == (RolloutPhase.HALTED, RolloutPhase.VERIFYING)
    assert field in after.status.message
    assert after.active == steady().active


def test_the_gates_are_those_of_the_spec_as_it_is_now() -> None:
    seen = ObservedRollout(verdict=Verdict(keys=100, held=90, failed=10, sampled=80), behind=0)
    assert step(filling(RolloutPhase.VERIFYING), seen).phase is RolloutPhase.HALTED
    eased = step(filling(RolloutPhase.VERIFYING), seen, minCoverage="0.9", maxFailureRatio="0.1")
    assert eased.phase is RolloutPhase.SWITCHING


def test_the_candidate_s_coverage_is_the_one_that_was_found() -> None:
    seen = ObservedRollout(verdict=Verdict(keys=3, held=2, failed=0, sampled=2), behind=0)
    candidate = step(filling(RolloutPhase.VERIFYING), seen).spaces.candidate
    assert candidate
    assert candidate.coverage == "0.6666"


@pytest.mark.parametrize(("behind", "words"), [(None, "an answer"), (3, "3 fills")])
def test_lookups_wait_for_a_candidate_that_has_not_caught_up(behind: int | None, words: str) -> None:
    after = step(filling(RolloutPhase.VERIFYING), ObservedRollout(verdict=PASSED, behind=behind))
    assert (after.phase, after.active.id) == (RolloutPhase.VERIFYING, space("a"))
    assert words in after.status.message


def test_a_paused_rollout_does_not_switch() -> None:
    after = step(filling(RolloutPhase.VERIFYING), FIT, paused=True)
    assert (after.phase, after.active.id) == (RolloutPhase.VERIFYING, space("a"))
    assert "spec.rollout.paused" in after.status.message


def test_a_verdict_that_is_lost_with_its_pod_is_found_again() -> None:
    after = step(filling(RolloutPhase.VERIFYING), ObservedRollout(verification=ObservedJob(complete=True), behind=0))
    assert after.phase is RolloutPhase.REEMBEDDING
    assert "lost" in after.status.message
    again = step(after, ObservedRollout(scan=ObservedJob(complete=True)))
    assert (again.phase, again.status.attempt) == (RolloutPhase.VERIFYING, 0)


def test_a_check_that_has_failed_halts() -> None:
    after = step(
        filling(RolloutPhase.VERIFYING), ObservedRollout(verification=ObservedJob(failed=True, reason="no such table"))
    )
    assert (after.phase, after.status.halted_in) == (RolloutPhase.HALTED, RolloutPhase.VERIFYING)
    assert "no such table" in after.status.message


@pytest.mark.parametrize("within", [RolloutPhase.PREPARING, RolloutPhase.REEMBEDDING, RolloutPhase.VERIFYING])
def test_a_halted_rollout_stays_as_it_is(within: RolloutPhase) -> None:
    assert step(halted(within)) == halted(within)


@pytest.mark.parametrize("within", [RolloutPhase.REEMBEDDING, RolloutPhase.VERIFYING])
def test_a_change_of_the_spec_retries_a_halted_rollout(within: RolloutPhase) -> None:
    rollout = halted(within, done=5, failed=6).with_status(halted_generation=GENERATION - 1)
    after = step(rollout).status
    assert (after.phase, after.attempt, after.done, after.failed) == (RolloutPhase.PREPARING, 1, 0, 0)


@pytest.mark.parametrize(
    ("requested", "phase"),
    [
        (BEGIN.isoformat(), RolloutPhase.PREPARING),
        ("2026-01-01T00:00:01Z", RolloutPhase.PREPARING),
        ("2026-01-01T02:00:00+01:00", RolloutPhase.PREPARING),
        ("2026-01-01T00:30:00+01:00", RolloutPhase.HALTED),
        ("2025-12-31T23:59:59Z", RolloutPhase.HALTED),
        ("2027-01-01T00:00:00", RolloutPhase.HALTED),
        ("soon", RolloutPhase.HALTED),
        ("", RolloutPhase.HALTED),
    ],
)
def test_a_resume_requested_after_the_halt_continues_it(requested: str, phase: RolloutPhase) -> None:
    assert step(halted(RolloutPhase.VERIFYING), annotations={RESUMED: requested}).phase is phase


def test_one_request_resumes_only_one_halt() -> None:
    annotations = {RESUMED: (BEGIN + timedelta(seconds=1)).isoformat()}
    after = step(halted(RolloutPhase.REEMBEDDING), annotations=annotations)
    stopped = step(after, ObservedRollout(candidate_failed=True), annotations=annotations)
    assert stopped.phase is RolloutPhase.HALTED
    assert step(stopped, annotations=annotations) == stopped


def test_a_candidate_that_starts_after_all_continues_by_itself() -> None:
    after = step(halted(RolloutPhase.PREPARING), ObservedRollout(candidate_ready=True))
    assert (after.phase, after.status.attempt) == (RolloutPhase.PREPARING, 0)


@pytest.mark.parametrize("within", [RolloutPhase.REEMBEDDING, RolloutPhase.VERIFYING])
def test_a_rejected_candidate_does_not_continue_because_it_runs(within: RolloutPhase) -> None:
    assert step(halted(within), ObservedRollout(candidate_ready=True)).phase is RolloutPhase.HALTED


def test_every_attempt_is_counted() -> None:
    rollout, now = filling(RolloutPhase.VERIFYING), BEGIN
    unfit = ObservedRollout(verdict=Verdict(keys=1, held=0, failed=0, sampled=0), behind=0)
    attempts = []
    for _ in range(3):
        now += timedelta(minutes=1)
        rollout = advance(rollout.with_phase(RolloutPhase.VERIFYING, now), wanting("b"), unfit, now)
        rollout = advance(rollout, requesting_resume(now), ObservedRollout(), now)
        attempts.append(rollout.status.attempt)
    assert attempts == [1, 2, 3]


def requesting_resume(now: datetime) -> Any:
    return wanting("b", annotations={RESUMED: now.isoformat()})
