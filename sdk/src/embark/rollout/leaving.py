"""The steps after the gate, and the ways back: switching, holding, rolling back, dropping."""

from datetime import datetime

from embark.rollout.state import RolloutPhase, RolloutState
from embark.rollout.step import StepInput
from embark.spec.status import ActiveSpace, CandidateSpace, PreviousSpace, RolloutStatus, SpaceRecord


def switch(rollout: RolloutState, candidate: CandidateSpace, step: StepInput) -> RolloutState:
    """Promote the candidate, whose gate has passed, to the active space."""
    before = rollout.active
    previous = PreviousSpace(id=before.id, encoder=before.encoder, source=before.source)
    active = _activate(candidate, step.now)
    switched = rollout.with_spaces(active=active, candidate=None, previous=previous)
    message = f"lookups move from space {before.id} to {active.id}"
    return switched.with_phase(RolloutPhase.SWITCHING, step.now, message)


def switching(rollout: RolloutState, step: StepInput) -> RolloutState:
    """Wait until every EmbArk serves the new active space."""
    previous = rollout.spaces.previous
    if previous and step.wanted == previous.id:
        return _roll_back(rollout, previous, step)
    if previous and step.seen.embark_rolled:
        held = rollout.with_phase(RolloutPhase.HOLDING, step.now, f"space {previous.id} is kept for a rollback")
        return _with_kept_until(held, previous, step)
    return rollout


def holding(rollout: RolloutState, step: StepInput) -> RolloutState:
    """Keep the previous space until its time has passed, a rollback, or the spec wants a third space."""
    previous = rollout.spaces.previous
    if previous is None:
        return dropping(rollout, step)
    if step.wanted == previous.id:
        return _roll_back(rollout, previous, step)
    rollout = _with_kept_until(rollout, previous, step)
    if step.wanted != rollout.active.id:
        message = f"space {previous.id} is dropped, so that space {step.wanted} can be filled"
    elif step.now >= _kept_until(rollout, step):
        message = f"space {previous.id} is dropped: spec.rollout.keepPrevious is over"
    else:
        return rollout
    return rollout.with_dropped(previous, RolloutPhase.HOLDING, step.now, message)


def _with_kept_until(rollout: RolloutState, previous: PreviousSpace, step: StepInput) -> RolloutState:
    """Set how long the previous space is kept, from the current spec."""
    kept = previous.model_copy(update={"kept_until": _kept_until(rollout, step)})
    return rollout if kept == previous else rollout.with_spaces(previous=kept)


def _kept_until(rollout: RolloutState, step: StepInput) -> datetime:
    return (rollout.status.since or step.now) + step.spec.rollout.keep_previous


def _roll_back(rollout: RolloutState, previous: PreviousSpace, step: StepInput) -> RolloutState:
    left = rollout.active
    back = rollout.with_spaces(active=_activate(previous, step.now))
    message = f"lookups move back to space {previous.id}; space {left.id} is dropped"
    return back.with_dropped(left, RolloutPhase.ROLLING_BACK, step.now, message)


def abandon(rollout: RolloutState, step: StepInput) -> RolloutState:
    """Drop the candidate, which the spec no longer wants."""
    candidate = rollout.candidate
    back = step.wanted == rollout.active.id
    reason = "the spec is back at the active space" if back else f"the spec has moved on to space {step.wanted}"
    message = f"{reason}; the candidate {candidate.id} is dropped"
    return rollout.with_dropped(candidate, RolloutPhase.ROLLING_BACK, step.now, message)


def dropping(rollout: RolloutState, step: StepInput) -> RolloutState:
    """Wait until nothing uses the dropped space, then until its data is deleted."""
    dropped = rollout.spaces.dropped
    if dropped is None:
        return rollout.with_status(**RolloutStatus().model_dump()).with_phase(RolloutPhase.STEADY, step.now)
    if not dropped.released:
        if not (step.seen.embark_rolled and step.seen.dropped_idle):
            return rollout
        return rollout.with_spaces(dropped=dropped.model_copy(update={"released": True}))
    if step.seen.drop.complete:
        return rollout.with_spaces(dropped=None)
    if step.seen.drop.reason:
        return rollout.with_status(message=f"space {dropped.id} cannot be dropped yet: {step.seen.drop.reason}")
    return rollout


def _activate(space: SpaceRecord, now: datetime) -> ActiveSpace:
    return ActiveSpace(id=space.id, encoder=space.encoder, source=space.source, since=now)
