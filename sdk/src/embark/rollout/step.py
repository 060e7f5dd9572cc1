"""The input of one step of a rollout: the resource, what was observed of its processes, and the time."""

from dataclasses import dataclass
from datetime import datetime

from embark.names import APPROVED, RESUMED
from embark.rollout.state import RolloutState
from embark.rollout.verdict import Verdict
from embark.space import Space
from embark.spec import EmbeddingCache, EmbeddingCacheSpec
from embark.spec.rollout import Approval


@dataclass(frozen=True, slots=True)
class ObservedJob:
    """A Job, or the thread that does the same work; with all defaults it has not started or is running."""

    complete: bool = False
    failed: bool = False
    reason: str = ""
    """What its first failed pod reported; empty: none has failed."""


@dataclass(frozen=True, slots=True)
class ObservedProgress:
    """Progress of the re-embedding, summed over its ranges."""

    done: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class ObservedRollout:
    """Everything a step depends on; None: not known, because no process answered."""

    entries: int | None = None
    """Embeddings of the active space."""
    encode_seconds: float | None = None
    """Mean seconds that Retina takes for one key."""
    candidate_ready: bool = False
    """Whether tables, KFC and Retina of the candidate are ready."""
    candidate_reason: str = ""
    """Why the candidate is not ready, as its pods report it."""
    candidate_failed: bool = False
    """Whether a pod of the candidate keeps failing with an error of its own."""
    behind: int | None = None
    """Fills that the active space's KFC has consumed and the candidate's has not."""
    progress: ObservedProgress | None = None
    scan: ObservedJob = ObservedJob()
    verification: ObservedJob = ObservedJob()
    verdict: Verdict | None = None
    embark_rolled: bool = False
    """Whether every EmbArk process serves what the state says, and no other is left."""
    dropped_idle: bool = False
    """Whether no process is left that reads or writes the dropped space."""
    drop: ObservedJob = ObservedJob()


@dataclass(frozen=True, slots=True)
class StepInput:
    """The current resource, what was observed, and the time."""

    cache: EmbeddingCache
    seen: ObservedRollout
    now: datetime
    approve_command: str = ""
    """The command with which a person approves the rollout; empty: the kubectl plugin's."""

    @property
    def spec(self) -> EmbeddingCacheSpec:
        """The declared spec."""
        return self.cache.spec

    @property
    def wanted(self) -> str:
        """The id of the space that the spec's encoder writes."""
        return Space.from_encoder(self.cache.spec.encoder).id

    @property
    def approved(self) -> bool:
        """Whether the wanted space may be filled."""
        approved = self.cache.metadata.annotations.get(APPROVED) == self.wanted
        return approved or self.spec.rollout.approval is Approval.AUTO

    @property
    def approval_hint(self) -> str:
        """How a person approves the rollout."""
        metadata = self.cache.metadata
        command = self.approve_command or f"kubectl embark approve {metadata.name} -n {metadata.namespace}"
        return f"`{command}` begins it"

    def resumes(self, rollout: RolloutState) -> bool:
        """Return whether the halted rollout continues: the spec was changed, or a resume was requested."""
        if self.cache.metadata.generation != rollout.status.halted_generation:
            return True
        try:
            requested = datetime.fromisoformat(self.cache.metadata.annotations.get(RESUMED, ""))
        except ValueError:
            return False
        since = rollout.status.since
        return requested.tzinfo is not None and since is not None and requested >= since
