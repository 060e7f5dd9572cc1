"""Where the rollout of a cache is: its spaces and its phase, as the status holds them."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Self

from embark.space import space_of
from embark.spec import EmbeddingCache, Encoder
from embark.spec.status import ActiveSpace, DroppedSpace, RolloutStatus, SpaceRecord, Spaces


class RolloutPhase(StrEnum):
    """Where a rollout is."""

    STEADY = "Steady"
    AWAITING_APPROVAL = "AwaitingApproval"
    PREPARING = "Preparing"
    REEMBEDDING = "Reembedding"
    VERIFYING = "Verifying"
    SWITCHING = "Switching"
    HOLDING = "Holding"
    ROLLING_BACK = "RollingBack"
    HALTED = "Halted"


@dataclass(frozen=True, slots=True)
class Rollout:
    """The state of a rollout; it is all in the status of its cache, and there alone."""

    active: ActiveSpace
    spaces: Spaces
    """The active one is the same as `active`, which is always there."""
    status: RolloutStatus = field(default_factory=RolloutStatus)

    @property
    def phase(self) -> RolloutPhase:
        """Where it is."""
        return RolloutPhase(self.status.phase)

    @property
    def served(self) -> tuple[SpaceRecord, ...]:
        """The spaces that have a KFC and a Retina: every fill reaches each of them."""
        candidate = None if self.phase is RolloutPhase.AWAITING_APPROVAL else self.spaces.candidate
        return tuple(space for space in (self.active, self.spaces.previous, candidate) if space)

    def with_spaces(self, **spaces: Any) -> Self:
        """Return it with other spaces; `active` among them must not be None."""
        changed = self.spaces.model_copy(update=spaces)
        return replace(self, active=spaces.get("active", self.active), spaces=changed)

    def noting(self, **fields: Any) -> Self:
        """Return it in the same phase, with other fields of its status."""
        return replace(self, status=self.status.model_copy(update=fields))

    def entering(self, phase: RolloutPhase, now: datetime, message: str = "", **fields: Any) -> Self:
        """Return it in another phase, which began `now`."""
        return self.noting(phase=str(phase), since=now, message=message, **fields)

    def dropping(self, space: SpaceRecord, phase: RolloutPhase, now: datetime, message: str) -> Self:
        """Return it with `space` neither candidate nor previous any more, and on its way out."""
        dropped = DroppedSpace(id=space.id, encoder=space.encoder, source=space.source)
        return self.with_spaces(candidate=None, previous=None, dropped=dropped).entering(phase, now, message)


# What a rollout waits for is counted by services and said by pods, of which there are no events.
_LOOK: Final = timedelta(seconds=2)
_LOOK_HALTED: Final = timedelta(seconds=15)


def next_look(rollout: Rollout, now: datetime) -> timedelta | None:
    """Return when the rollout has to be looked at again; None: when something changes in the cluster."""
    match rollout.phase:
        case RolloutPhase.STEADY | RolloutPhase.AWAITING_APPROVAL:
            return None
        case RolloutPhase.HALTED:
            return _LOOK_HALTED
        case RolloutPhase.HOLDING if rollout.spaces.previous and rollout.spaces.previous.kept_until:
            return max(_LOOK, rollout.spaces.previous.kept_until - now)
        case _:
            return _LOOK


def first_rollout(encoder: Encoder, since: datetime | None = None) -> Rollout:
    """Return the state of a cache that has one space, as every cache has at first."""
    active = ActiveSpace(id=space_of(encoder).id, encoder=encoder, since=since)
    return Rollout(active, Spaces(active=active))


def cache_of(cache: EmbeddingCache, space: SpaceRecord) -> EmbeddingCache:
    """Return the cache as it is with the encoder of one of its spaces."""
    spec = cache.spec.model_copy(update={"encoder": space.encoder})
    return cache.model_copy(update={"spec": spec})
