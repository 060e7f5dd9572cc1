"""What was observed of a cache's children."""

from dataclasses import dataclass, field

from embark.rollout.step import ObservedRollout


@dataclass(frozen=True, slots=True)
class WorkloadStatus:
    """The status of one Deployment."""

    wanted: int
    ready: int
    rolled: bool
    """Whether every pod is ready and of the newest template."""
    why: str = ""
    """Why it is not ready, as reported by its first pod that is not; empty if unknown."""
    failed: bool = False
    """Whether that pod has exited with an error more than once."""


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """The status of the schema Job."""

    done: bool
    why: str = ""
    """The error of its last attempt; empty if it has not failed."""
    server: str = ""
    """The server that did not answer, if that is the error."""


@dataclass(frozen=True, slots=True)
class Readings:
    """Counts of the services; None if no pod answered, and the last known value stays."""

    hit_ratio: float | None = None
    oov_ratio: float | None = None
    """None also if there were no lookups yet."""
    entries: int | None = None
    lag: int | None = None
    dead_lettered: int | None = None
    encode_seconds: float | None = None
    """Mean seconds that Retina takes for one key; None also if it has encoded none yet."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything that was observed of a cache."""

    schema: SchemaStatus
    embark: WorkloadStatus
    kfc: WorkloadStatus
    retina: WorkloadStatus
    readings: Readings = Readings()
    rollout: ObservedRollout = field(default_factory=ObservedRollout)
