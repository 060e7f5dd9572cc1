"""The rollout as a pure state machine: (state, resource, observation, time) to the next state.

A call takes at most one step. The caller writes a step to the status before it starts the processes that follow from
it, so a caller that is killed at any point continues from the last step. Lookups never read a space whose gate has not
passed: `active` changes only in `leaving.switch`, after the gate, and in a rollback, to the space that was active
before.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from embark.rollout import filling, leaving
from embark.rollout.state import RolloutPhase, RolloutState
from embark.rollout.step import ObservedRollout, StepInput
from embark.spec import EmbeddingCache


def advance(
    rollout: RolloutState, cache: EmbeddingCache, seen: ObservedRollout, now: datetime, *, approve_command: str = ""
) -> RolloutState:
    """Return the state after one step; equal to `rollout` if there is nothing to do but wait.

    `cache` is the current resource: spec, generation, and the annotations with which people approve and resume.
    `approve_command` is named in the message of a rollout that waits for approval; default: the kubectl plugin's.
    """
    step = StepInput(cache, seen, now, approve_command)
    return _STEPS[rollout.phase](_with_edited_encoder(rollout, step), step)


def _with_edited_encoder(rollout: RolloutState, step: StepInput) -> RolloutState:
    """Apply an edit of the encoder that keeps its space, such as where its model is or how it fetches."""
    spaces = rollout.spaces
    named = {"active": spaces.active, "candidate": spaces.candidate, "previous": spaces.previous}
    changed = {
        name: space.model_copy(update={"encoder": step.spec.encoder})
        for name, space in named.items()
        if space and space.id == step.wanted and space.encoder != step.spec.encoder
    }
    return rollout.with_spaces(**changed) if changed else rollout


_STEPS: Final[Mapping[RolloutPhase, Callable[[RolloutState, StepInput], RolloutState]]] = {
    RolloutPhase.STEADY: filling.steady,
    RolloutPhase.AWAITING_APPROVAL: filling.awaiting_approval,
    RolloutPhase.PREPARING: filling.preparing,
    RolloutPhase.REEMBEDDING: filling.reembedding,
    RolloutPhase.VERIFYING: filling.verifying,
    RolloutPhase.SWITCHING: leaving.switching,
    RolloutPhase.HOLDING: leaving.holding,
    RolloutPhase.ROLLING_BACK: leaving.dropping,
    RolloutPhase.HALTED: filling.halted,
}
