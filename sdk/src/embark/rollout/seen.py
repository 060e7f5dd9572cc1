"""What a rollout has to know of the cluster, as frozen values; `observe` makes them, `advance` reads them."""

from dataclasses import dataclass

from embark.rollout.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class JobSeen:
    """A Job; all defaults: it is not there yet, or it runs."""

    complete: bool = False
    failed: bool = False
    why: str = ""
    """What its first pod that failed said; empty: none has."""


@dataclass(frozen=True, slots=True)
class ProgressSeen:
    """How far the re-embedding is, summed over its ranges."""

    done: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class RolloutSeen:
    """All of it; None: nobody answered."""

    entries: int | None = None
    """Embeddings of the active space."""
    encode_seconds: float | None = None
    """Mean seconds of Retina for one key."""
    candidate_ready: bool = False
    """Whether schema, KFC and Retina of the candidate are ready."""
    candidate_why: str = ""
    """What keeps it from being ready, in the words of its pods."""
    candidate_failed: bool = False
    """Whether a pod of it ends again and again with an error of its own."""
    behind: int | None = None
    """Fills that the candidate's KFC has to consume and the active one's has not."""
    progress: ProgressSeen | None = None
    scan: JobSeen = JobSeen()
    verification: JobSeen = JobSeen()
    verdict: Verdict | None = None
    embark_rolled: bool = False
    """Whether every EmbArk pod serves what the state says, and no other pod of it is left."""
    dropped_idle: bool = False
    """Whether no pod is left that reads or writes the space that is dropped."""
    drop: JobSeen = JobSeen()
