"""The steps up to the gate: approval, preparing, re-embedding, verifying, and halting; pure."""

from embark.rollout.leaving import abandon, switch
from embark.rollout.plans import expected_seconds
from embark.rollout.state import Rollout, RolloutPhase
from embark.rollout.turns import Turn, candidate_of
from embark.rollout.verdicts import Verdict, find_gate_fault
from embark.spec.status import CandidateSpace, RolloutStatus

_PAUSED = "paused by spec.rollout.paused"


def steady(rollout: Rollout, turn: Turn) -> Rollout:
    """Begin as soon as the spec wants another space."""
    if turn.wanted == rollout.active.id:
        return rollout
    return _begin(rollout, turn)


def awaiting(rollout: Rollout, turn: Turn) -> Rollout:
    """Keep the plan up to date until somebody approves it."""
    candidate = candidate_of(rollout)
    if turn.wanted == rollout.active.id:
        begun_nothing = rollout.with_spaces(candidate=None).noting(**RolloutStatus().model_dump())
        return begun_nothing.entering(RolloutPhase.STEADY, turn.now)
    if turn.wanted != candidate.id:
        return _begin(rollout, turn)
    if turn.approved:
        return rollout.entering(RolloutPhase.PREPARING, turn.now)
    planned = _planned(rollout, turn)
    name, namespace = turn.cache.metadata.name, turn.cache.metadata.namespace
    ask = f"`kubectl embark approve {name} -n {namespace}` begins it"
    return planned.noting(message=f"{planned.status.total} keys are to be encoded for space {candidate.id}; {ask}")


def preparing(rollout: Rollout, turn: Turn) -> Rollout:
    """Wait until the candidate has tables, a KFC and a Retina."""
    seen = turn.seen
    if turn.wanted != candidate_of(rollout).id:
        return abandon(rollout, turn)
    if seen.candidate_ready:
        return _planned(rollout, turn).entering(RolloutPhase.REEMBEDDING, turn.now)
    if seen.candidate_failed:
        return _halt(rollout, turn, f"the candidate cannot start: {seen.candidate_why}")
    return _planned(rollout, turn).noting(message=seen.candidate_why)


def reembedding(rollout: Rollout, turn: Turn) -> Rollout:
    """Count until every range is over."""
    if turn.wanted != candidate_of(rollout).id:
        return abandon(rollout, turn)
    rollout = _counted(rollout, turn)
    status, scan = rollout.status, turn.seen.scan
    if scan.complete:
        return rollout.entering(RolloutPhase.VERIFYING, turn.now)
    if scan.failed:
        return _halt(rollout, turn, f"the re-embedding has failed: {scan.why}")
    if _is_lost(status, turn):
        # What is left cannot make up for it. The check counts exactly, and clears the way for a further attempt.
        return rollout.entering(RolloutPhase.VERIFYING, turn.now, f"{status.failed} keys could not be encoded")
    return rollout.noting(message=_PAUSED if turn.spec.rollout.paused else scan.why)


def verifying(rollout: Rollout, turn: Turn) -> Rollout:
    """Switch if the gate has passed and the candidate has caught up; else halt."""
    verdict, verification = turn.seen.verdict, turn.seen.verification
    if turn.wanted != candidate_of(rollout).id:
        return abandon(rollout, turn)
    if verdict is not None:
        return _judged(rollout, verdict, turn)
    if verification.failed:
        return _halt(rollout, turn, f"the check has failed: {verification.why}")
    if verification.complete:
        return rollout.entering(RolloutPhase.REEMBEDDING, turn.now, "the verdict was lost with its pod; checks again")
    return rollout


def _judged(rollout: Rollout, verdict: Verdict, turn: Turn) -> Rollout:
    behind = turn.seen.behind
    candidate = candidate_of(rollout).model_copy(update={"coverage": _share(verdict.held, verdict.keys)})
    rollout = rollout.with_spaces(candidate=candidate).noting(estimated_seconds=0)
    fault = find_gate_fault(verdict, turn.spec.rollout)
    if fault:
        return _halt(rollout, turn, fault)
    if turn.spec.rollout.paused:
        return rollout.noting(message=_PAUSED)
    if behind is None or behind > 0:
        waits = "an answer" if behind is None else f"{behind} fills"
        return rollout.noting(message=f"the check has passed; waits for {waits} of the candidate's KFC")
    return switch(rollout, candidate, turn)


def halted(rollout: Rollout, turn: Turn) -> Rollout:
    """Go on once the spec was changed, somebody asks for it, or what was missing is there."""
    status = rollout.status
    if turn.wanted != candidate_of(rollout).id:
        return abandon(rollout, turn)
    prepared = status.halted_in == RolloutPhase.PREPARING
    if not turn.resumes(rollout) and not (prepared and turn.seen.candidate_ready):
        return rollout
    attempt = status.attempt if prepared else status.attempt + 1
    return rollout.entering(RolloutPhase.PREPARING, turn.now, attempt=attempt, done=0, failed=0)


def _begin(rollout: Rollout, turn: Turn) -> Rollout:
    encoder = turn.spec.encoder
    candidate = CandidateSpace(id=turn.wanted, encoder=encoder, source=rollout.active.id)
    phase = RolloutPhase.PREPARING if turn.approved else RolloutPhase.AWAITING_APPROVAL
    begun = rollout.with_spaces(candidate=candidate).noting(**RolloutStatus(started_at=turn.now).model_dump())
    return _planned(begun.entering(phase, turn.now), turn)


def _planned(rollout: Rollout, turn: Turn) -> Rollout:
    total = rollout.status.total if turn.seen.entries is None else turn.seen.entries
    rest = max(0, total - rollout.status.done - rollout.status.failed)
    seconds = expected_seconds(turn.spec, rest, turn.seen.encode_seconds)
    return rollout.noting(total=total, estimated_seconds=seconds)


def _counted(rollout: Rollout, turn: Turn) -> Rollout:
    progress = turn.seen.progress
    if progress is None:
        return rollout
    over = progress.done + progress.failed
    # Counted when the rollout began; negatives of the active space are not among them, and keys are still added.
    total = max(rollout.status.total, over)
    candidate = candidate_of(rollout).model_copy(update={"coverage": _share(over, total)})
    counted = rollout.with_spaces(candidate=candidate).noting(total=total, done=progress.done, failed=progress.failed)
    elapsed = (turn.now - rollout.status.since).total_seconds() if rollout.status.since else 0.0
    news = over != rollout.status.done + rollout.status.failed
    if news and over and elapsed > 0 and not rollout.status.attempt:
        return counted.noting(estimated_seconds=round(elapsed * (total - over) / over))
    return counted


def _is_lost(status: RolloutStatus, turn: Turn) -> bool:
    # Of nothing but what was encoded so far, the first failure would be too large a share.
    if turn.seen.entries is None:
        return False
    return status.failed > turn.spec.rollout.max_failure_ratio * max(status.total, turn.seen.entries)


def _halt(rollout: Rollout, turn: Turn, why: str) -> Rollout:
    return rollout.entering(
        RolloutPhase.HALTED,
        turn.now,
        why,
        halted_in=rollout.status.phase,
        halted_generation=turn.cache.metadata.generation,
    )


def _share(part: int, whole: int) -> str:
    # Rounded down, so that 1 is said of nothing less.
    return f"{(10_000 * part // whole if whole else 10_000) / 10_000:.4f}"
