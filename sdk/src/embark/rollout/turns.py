"""What one step of a rollout is taken from beside its state, and the questions that several steps ask; pure."""

from dataclasses import dataclass
from datetime import datetime

from embark.names import APPROVED, RESUMED
from embark.rollout.seen import RolloutSeen
from embark.rollout.state import Rollout
from embark.space import space_of
from embark.spec import EmbeddingCache, EmbeddingCacheSpec
from embark.spec.rollout import Approval
from embark.spec.status import CandidateSpace


@dataclass(frozen=True, slots=True)
class Turn:
    """The resource as it is now, what was seen of its children, and the time."""

    cache: EmbeddingCache
    seen: RolloutSeen
    now: datetime

    @property
    def spec(self) -> EmbeddingCacheSpec:
        """What is declared."""
        return self.cache.spec

    @property
    def wanted(self) -> str:
        """The space that the spec's encoder writes."""
        return space_of(self.cache.spec.encoder).id

    @property
    def approved(self) -> bool:
        """Whether the wanted space may be filled."""
        approved = self.cache.metadata.annotations.get(APPROVED) == self.wanted
        return approved or self.spec.rollout.approval is Approval.AUTO

    def resumes(self, rollout: Rollout) -> bool:
        """Return whether the halted rollout is to go on: the spec was changed, or somebody asked for it."""
        if self.cache.metadata.generation != rollout.status.halted_generation:
            return True
        try:
            asked = datetime.fromisoformat(self.cache.metadata.annotations.get(RESUMED, ""))
        except ValueError:
            return False
        since = rollout.status.since
        return asked.tzinfo is not None and since is not None and asked >= since


def candidate_of(rollout: Rollout) -> CandidateSpace:
    """Return the candidate of a rollout that is in a phase in which there is one."""
    if rollout.spaces.candidate is None:
        raise RuntimeError(f"a rollout in phase {rollout.phase} has no candidate")
    return rollout.spaces.candidate
