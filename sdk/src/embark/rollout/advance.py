"""The rollout as a pure state machine: from where it is and what was seen to where it goes; reconcile calls it.

One call takes one step at most. A step is written to the status before the children that follow from it are built, so
an operator that is killed anywhere goes on from the last step. Look-ups never read a space whose gate has not passed:
`active` changes only in `leaving.switch`, after the gate, and in a rollback, to what was active before.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from embark.rollout import filling, leaving
from embark.rollout.seen import RolloutSeen
from embark.rollout.state import Rollout, RolloutPhase
from embark.rollout.turns import Turn
from embark.spec import EmbeddingCache


def advance(rollout: Rollout, cache: EmbeddingCache, seen: RolloutSeen, now: datetime) -> Rollout:
    """Return the state after one step; equal to `rollout` where there is nothing to do but wait.

    `cache` is the resource as it is now: spec, generation, and the annotations by which people approve and resume.
    """
    turn = Turn(cache, seen, now)
    return _STEPS[rollout.phase](_follow(rollout, turn), turn)


def _follow(rollout: Rollout, turn: Turn) -> Rollout:
    """Take over what the spec says of a space beside its identity: where its model is, how it fetches."""
    spaces = rollout.spaces
    named = {"active": spaces.active, "candidate": spaces.candidate, "previous": spaces.previous}
    changed = {
        name: space.model_copy(update={"encoder": turn.spec.encoder})
        for name, space in named.items()
        if space and space.id == turn.wanted and space.encoder != turn.spec.encoder
    }
    return rollout.with_spaces(**changed) if changed else rollout


_STEPS: Final[Mapping[RolloutPhase, Callable[[Rollout, Turn], Rollout]]] = {
    RolloutPhase.STEADY: filling.steady,
    RolloutPhase.AWAITING_APPROVAL: filling.awaiting,
    RolloutPhase.PREPARING: filling.preparing,
    RolloutPhase.REEMBEDDING: filling.reembedding,
    RolloutPhase.VERIFYING: filling.verifying,
    RolloutPhase.SWITCHING: leaving.switching,
    RolloutPhase.HOLDING: leaving.holding,
    RolloutPhase.ROLLING_BACK: leaving.dropping,
    RolloutPhase.HALTED: filling.halted,
}
