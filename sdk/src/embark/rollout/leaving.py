"""The steps after a gate has passed, and the ways back: switching, holding, rolling back, dropping; pure."""

from datetime import datetime

from embark.rollout.state import Rollout, RolloutPhase
from embark.rollout.turns import Turn, candidate_of
from embark.spec.status import ActiveSpace, CandidateSpace, PreviousSpace, RolloutStatus, SpaceRecord


def switch(rollout: Rollout, candidate: CandidateSpace, turn: Turn) -> Rollout:
    """Make the candidate the active space: its gate has passed."""
    before = rollout.active
    previous = PreviousSpace(id=before.id, encoder=before.encoder, source=before.source)
    active = _activated(candidate, turn.now)
    switched = rollout.with_spaces(active=active, candidate=None, previous=previous)
    return switched.entering(RolloutPhase.SWITCHING, turn.now, f"look-ups move from space {before.id} to {active.id}")


def switching(rollout: Rollout, turn: Turn) -> Rollout:
    """Wait until every EmbArk answers from the new active space."""
    previous = rollout.spaces.previous
    if previous and turn.wanted == previous.id:
        return _roll_back(rollout, previous, turn)
    if previous and turn.seen.embark_rolled:
        held = rollout.entering(RolloutPhase.HOLDING, turn.now, f"space {previous.id} is kept for a rollback")
        return _kept(held, previous, turn)
    return rollout


def holding(rollout: Rollout, turn: Turn) -> Rollout:
    """Keep the previous space until its time is over, a rollback, or a further space is wanted."""
    previous = rollout.spaces.previous
    if previous is None:
        return dropping(rollout, turn)
    if turn.wanted == previous.id:
        return _roll_back(rollout, previous, turn)
    rollout = _kept(rollout, previous, turn)
    if turn.wanted != rollout.active.id:
        message = f"space {previous.id} is dropped, so that space {turn.wanted} can be filled"
    elif turn.now >= _until(rollout, turn):
        message = f"space {previous.id} is dropped: spec.rollout.keepPrevious is over"
    else:
        return rollout
    return rollout.dropping(previous, RolloutPhase.HOLDING, turn.now, message)


def _kept(rollout: Rollout, previous: PreviousSpace, turn: Turn) -> Rollout:
    """Return the rollout with the time until which the previous space is kept, as the spec says it now."""
    kept = previous.model_copy(update={"kept_until": _until(rollout, turn)})
    return rollout if kept == previous else rollout.with_spaces(previous=kept)


def _until(rollout: Rollout, turn: Turn) -> datetime:
    return (rollout.status.since or turn.now) + turn.spec.rollout.keep_previous


def _roll_back(rollout: Rollout, previous: PreviousSpace, turn: Turn) -> Rollout:
    left = rollout.active
    back = rollout.with_spaces(active=_activated(previous, turn.now))
    message = f"look-ups move back to space {previous.id}; space {left.id} is dropped"
    return back.dropping(left, RolloutPhase.ROLLING_BACK, turn.now, message)


def abandon(rollout: Rollout, turn: Turn) -> Rollout:
    """Leave the candidate, which the spec wants no longer."""
    candidate = candidate_of(rollout)
    back = turn.wanted == rollout.active.id
    why = "the spec is back at the active space" if back else f"the spec has moved on to space {turn.wanted}"
    return rollout.dropping(
        candidate, RolloutPhase.ROLLING_BACK, turn.now, f"{why}; the candidate {candidate.id} is dropped"
    )


def dropping(rollout: Rollout, turn: Turn) -> Rollout:
    """Wait until nothing uses the space that is dropped, then until its data is gone."""
    dropped = rollout.spaces.dropped
    if dropped is None:
        return rollout.noting(**RolloutStatus().model_dump()).entering(RolloutPhase.STEADY, turn.now)
    if not dropped.released:
        if not (turn.seen.embark_rolled and turn.seen.dropped_idle):
            return rollout
        return rollout.with_spaces(dropped=dropped.model_copy(update={"released": True}))
    if turn.seen.drop.complete:
        return rollout.with_spaces(dropped=None)
    if turn.seen.drop.why:
        return rollout.noting(message=f"space {dropped.id} cannot be dropped yet: {turn.seen.drop.why}")
    return rollout


def _activated(space: SpaceRecord, now: datetime) -> ActiveSpace:
    return ActiveSpace(id=space.id, encoder=space.encoder, source=space.source, since=now)
