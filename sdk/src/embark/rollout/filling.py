"""The steps up to the gate: approval, preparing, re-embedding, verifying, and halting."""

from typing import Final

from embark.rollout.leaving import abandon, switch
from embark.rollout.plan import expected_seconds
from embark.rollout.state import RolloutPhase, RolloutState
from embark.rollout.step import StepInput
from embark.rollout.verdict import Verdict, find_gate_failure
from embark.spec.status import CandidateSpace, RolloutStatus

PAUSED: Final = "paused by spec.rollout.paused"
"""The message of a rollout that is paused."""


def steady(rollout: RolloutState, step: StepInput) -> RolloutState:
    """Begin a rollout as soon as the spec wants another space."""
    if step.wanted == rollout.active.id:
        return rollout
    return _begin(rollout, step)


def awaiting_approval(rollout: RolloutState, step: StepInput) -> RolloutState:
    """Keep the plan up to date until it is approved."""
    if step.wanted == rollout.active.id:
        withdrawn = rollout.with_spaces(candidate=None).with_status(**RolloutStatus().model_dump())
        return withdrawn.with_phase(RolloutPhase.STEADY, step.now)
    if step.wanted != rollout.candidate.id:
        return _begin(rollout, step)
    if step.approved:
        return rollout.with_phase(RolloutPhase.PREPARING, step.now)
    planned = _with_plan(rollout, step)
    keys = f"{planned.status.total} keys are to be encoded for space {rollout.candidate.id}"
    return planned.with_status(message=f"{keys}; {step.approval_hint}")


def preparing(rollout: RolloutState, step: StepInput) -> RolloutState:
    """Wait until the candidate has tables, a KFC and a Retina."""
    seen = step.seen
    if step.wanted != rollout.candidate.id:
        return abandon(rollout, step)
    if seen.candidate_ready:
        return _with_plan(rollout, step).with_phase(RolloutPhase.REEMBEDDING, step.now)
    if seen.candidate_failed:
        return _halt(rollout, step, f"the candidate cannot start: {seen.candidate_reason}")
    return _with_plan(rollout, step).with_status(message=seen.candidate_reason)


def reembedding(rollout: RolloutState, step: StepInput) -> RolloutState:
    """Count keys until every range is complete."""
    if step.wanted != rollout.candidate.id:
        return abandon(rollout, step)
    rollout = _with_progress(rollout, step)
    status, scan = rollout.status, step.seen.scan
    if scan.complete:
        return rollout.with_phase(RolloutPhase.VERIFYING, step.now)
    if scan.failed:
        return _halt(rollout, step, f"the re-embedding has failed: {scan.reason}")
    if _exceeds_failure_ratio(status, step):
        # The rest cannot make up for it. The check counts exactly, and resets the scan for another attempt.
        return rollout.with_phase(RolloutPhase.VERIFYING, step.now, f"{status.failed} keys could not be encoded")
    return rollout.with_status(message=PAUSED if step.spec.rollout.paused else scan.reason)


def verifying(rollout: RolloutState, step: StepInput) -> RolloutState:
    """Switch if the gate has passed and the candidate has caught up; else halt."""
    verdict, verification = step.seen.verdict, step.seen.verification
    if step.wanted != rollout.candidate.id:
        return abandon(rollout, step)
    if verdict is not None:
        return _judge(rollout, verdict, step)
    if verification.failed:
        return _halt(rollout, step, f"the check has failed: {verification.reason}")
    if verification.complete:
        message = "the verdict was lost with its pod; checking again"
        return rollout.with_phase(RolloutPhase.REEMBEDDING, step.now, message)
    return rollout


def _judge(rollout: RolloutState, verdict: Verdict, step: StepInput) -> RolloutState:
    behind = step.seen.behind
    candidate = rollout.candidate.model_copy(update={"coverage": _share(verdict.held, verdict.keys)})
    rollout = rollout.with_spaces(candidate=candidate).with_status(estimated_seconds=0)
    failure = find_gate_failure(verdict, step.spec.rollout)
    if failure:
        return _halt(rollout, step, failure)
    if step.spec.rollout.paused:
        return rollout.with_status(message=PAUSED)
    if behind is None or behind > 0:
        awaited = "an answer" if behind is None else f"{behind} fills"
        return rollout.with_status(message=f"the check has passed; waiting for {awaited} of the candidate's KFC")
    return switch(rollout, candidate, step)


def halted(rollout: RolloutState, step: StepInput) -> RolloutState:
    """Continue once the spec has changed, a resume was requested, or the missing candidate is ready."""
    status = rollout.status
    if step.wanted != rollout.candidate.id:
        return abandon(rollout, step)
    prepared = status.halted_in == RolloutPhase.PREPARING
    if not step.resumes(rollout) and not (prepared and step.seen.candidate_ready):
        return rollout
    attempt = status.attempt if prepared else status.attempt + 1
    return rollout.with_phase(RolloutPhase.PREPARING, step.now, attempt=attempt, done=0, failed=0)


def _begin(rollout: RolloutState, step: StepInput) -> RolloutState:
    candidate = CandidateSpace(id=step.wanted, encoder=step.spec.encoder, source=rollout.active.id)
    phase = RolloutPhase.PREPARING if step.approved else RolloutPhase.AWAITING_APPROVAL
    begun = rollout.with_spaces(candidate=candidate).with_status(**RolloutStatus(started_at=step.now).model_dump())
    return _with_plan(begun.with_phase(phase, step.now), step)


def _with_plan(rollout: RolloutState, step: StepInput) -> RolloutState:
    total = rollout.status.total if step.seen.entries is None else step.seen.entries
    rest = max(0, total - rollout.status.done - rollout.status.failed)
    seconds = expected_seconds(step.spec, rest, step.seen.encode_seconds)
    return rollout.with_status(total=total, estimated_seconds=seconds)


def _with_progress(rollout: RolloutState, step: StepInput) -> RolloutState:
    progress = step.seen.progress
    if progress is None:
        return rollout
    finished = progress.done + progress.failed
    # The count of the start: it excludes negatives of the active space and keys that were added since.
    total = max(rollout.status.total, finished)
    candidate = rollout.candidate.model_copy(update={"coverage": _share(finished, total)})
    counted = rollout.with_spaces(candidate=candidate).with_status(
        total=total, done=progress.done, failed=progress.failed
    )
    elapsed = (step.now - rollout.status.since).total_seconds() if rollout.status.since else 0.0
    changed = finished != rollout.status.done + rollout.status.failed
    if changed and finished and elapsed > 0 and not rollout.status.attempt:
        return counted.with_status(estimated_seconds=round(elapsed * (total - finished) / finished))
    return counted


def _exceeds_failure_ratio(status: RolloutStatus, step: StepInput) -> bool:
    # Without a count of all keys, the first failure would already be too large a share.
    if step.seen.entries is None:
        return False
    return status.failed > step.spec.rollout.max_failure_ratio * max(status.total, step.seen.entries)


def _halt(rollout: RolloutState, step: StepInput, reason: str) -> RolloutState:
    return rollout.with_phase(
        RolloutPhase.HALTED,
        step.now,
        reason,
        halted_in=rollout.status.phase,
        halted_generation=step.cache.metadata.generation,
    )


def _share(part: int, whole: int) -> str:
    # Rounded down, so that only a complete share reads 1.
    return f"{(10_000 * part // whole if whole else 10_000) / 10_000:.4f}"
