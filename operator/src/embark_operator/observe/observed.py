"""What reconcile has seen of a cache's children, as frozen values; conditions and the status are made from it."""

from dataclasses import dataclass, field

from embark.rollout.step import ObservedRollout


@dataclass(frozen=True, slots=True)
class WorkloadStatus:
    """One Deployment."""

    wanted: int
    ready: int
    rolled: bool
    """Whether every pod is ready and of the newest template."""
    why: str = ""
    """Why it is not ready, in the words of its first pod that is not; empty: nothing is known."""
    failed: bool = False
    """Whether that pod has ended with an error of its own, more than once."""


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """The schema Job."""

    done: bool
    why: str = ""
    """The error of its last attempt; empty: it has not failed."""
    server: str = ""
    """The server that did not answer, if that is the error."""


@dataclass(frozen=True, slots=True)
class Readings:
    """What the services counted; None: no pod answered, and what was known stays."""

    hit_ratio: float | None = None
    oov_ratio: float | None = None
    """None: there were no look-ups yet."""
    entries: int | None = None
    lag: int | None = None
    dead_lettered: int | None = None
    encode_seconds: float | None = None
    """Mean seconds of Retina for one key; None: it has encoded none yet."""


@dataclass(frozen=True, slots=True)
class Observed:
    """All of it."""

    schema: SchemaStatus
    embark: WorkloadStatus
    kfc: WorkloadStatus
    retina: WorkloadStatus
    readings: Readings = Readings()
    rollout: ObservedRollout = field(default_factory=ObservedRollout)
