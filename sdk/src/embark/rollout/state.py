"""The state of a rollout: the cache's spaces and its phase, as the status holds them."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Self

from embark.space import Space
from embark.spec import EmbeddingCache, Encoder
from embark.spec.status import ActiveSpace, CandidateSpace, DroppedSpace, RolloutStatus, SpaceRecord, Spaces


class RolloutPhase(StrEnum):
    """The phase of a rollout."""

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
class RolloutState:
    """The whole state of a rollout; it is kept only in the status of its cache."""

    active: ActiveSpace
    spaces: Spaces
    """`spaces.active` equals `active`, which is never None."""
    status: RolloutStatus = field(default_factory=RolloutStatus)

    @property
    def phase(self) -> RolloutPhase:
        """The phase."""
        return RolloutPhase(self.status.phase)

    @property
    def candidate(self) -> CandidateSpace:
        """The candidate, in a phase that has one.

        Raises:
            RuntimeError: the phase has no candidate.
        """
        if self.spaces.candidate is None:
            raise RuntimeError(f"a rollout in phase {self.phase} has no candidate")
        return self.spaces.candidate

    @property
    def served(self) -> tuple[SpaceRecord, ...]:
        """The spaces that have a KFC and a Retina: every fill reaches each of them."""
        candidate = None if self.phase is RolloutPhase.AWAITING_APPROVAL else self.spaces.candidate
        return tuple(space for space in (self.active, self.spaces.previous, candidate) if space)

    def with_spaces(self, **spaces: Any) -> Self:
        """Return a copy with other spaces; `active` must not be None if given."""
        changed = self.spaces.model_copy(update=spaces)
        return replace(self, active=spaces.get("active", self.active), spaces=changed)

    def with_status(self, **fields: Any) -> Self:
        """Return a copy in the same phase with other status fields."""
        return replace(self, status=self.status.model_copy(update=fields))

    def with_phase(self, phase: RolloutPhase, now: datetime, message: str = "", **fields: Any) -> Self:
        """Return a copy in another phase, which began `now`."""
        return self.with_status(phase=str(phase), since=now, message=message, **fields)

    def with_dropped(self, space: SpaceRecord, phase: RolloutPhase, now: datetime, message: str) -> Self:
        """Return a copy in which `space` is no longer candidate or previous but is being dropped."""
        dropped = DroppedSpace(id=space.id, encoder=space.encoder, source=space.source)
        return self.with_spaces(candidate=None, previous=None, dropped=dropped).with_phase(phase, now, message)


# Services count and pods report what a rollout waits for; the cluster sends no events about either.
_CHECK_INTERVAL: Final = timedelta(seconds=2)
_CHECK_INTERVAL_HALTED: Final = timedelta(seconds=15)


def next_check(rollout: RolloutState, now: datetime) -> timedelta | None:
    """Return when to check the rollout again; None: when something changes in the cluster."""
    match rollout.phase:
        case RolloutPhase.STEADY | RolloutPhase.AWAITING_APPROVAL:
            return None
        case RolloutPhase.HALTED:
            return _CHECK_INTERVAL_HALTED
        case RolloutPhase.HOLDING if rollout.spaces.previous and rollout.spaces.previous.kept_until:
            return max(_CHECK_INTERVAL, rollout.spaces.previous.kept_until - now)
        case _:
            return _CHECK_INTERVAL


def initial_rollout(encoder: Encoder, since: datetime | None = None) -> RolloutState:
    """Return the state of a new cache, which has only one space."""
    active = ActiveSpace(id=Space.from_encoder(encoder).id, encoder=encoder, since=since)
    return RolloutState(active, Spaces(active=active))


def cache_for_space(cache: EmbeddingCache, space: SpaceRecord) -> EmbeddingCache:
    """Return the cache with the encoder of one of its spaces."""
    spec = cache.spec.model_copy(update={"encoder": space.encoder})
    return cache.model_copy(update={"spec": spec})
