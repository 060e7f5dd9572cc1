"""The settings of the Jobs: the re-embedding, the check of its result, and the drop of a space or of a whole cache."""

from enum import StrEnum
from typing import Final

from pydantic import Field

from embark.settings.services import KfcSettings
from embark.spec.model import Model
from embark.spec.quantities import Ratio

TERMINATION_LOG: Final = "/dev/termination-log"
"""Kubernetes' default terminationMessagePath: the kubelet mounts a file there that every user can write, also where the
root file system is read-only."""


class ProbesAddress(Model):
    """The second port of every pod that a host name resolves to."""

    host: str = Field(min_length=1)
    port: int = Field(ge=1, le=65535)


class ReembedSettings(Model):
    """What the processes need that re-embed a space."""

    kfc: KfcSettings
    """Of the candidate; `source` is the space whose keys are encoded."""
    processes: int = Field(ge=1)
    """Number of processes that share the token ranges."""
    keys_per_second: float = Field(default=0.0, ge=0)
    """Rate limit of one process; 0: none."""
    max_lookup_slowdown: float = Field(default=0.0, ge=0)
    """The process slows down if lookups take longer than this many times what they take without it; 0: never."""
    embark: ProbesAddress | None = None
    """Where the pods of EmbArk report their lookup latencies; None: they are not read."""
    retry_failed: bool = False
    """Encode keys again for which the candidate has a negative and the source an embedding."""


class VerifySettings(Model):
    """What the process needs that checks a candidate space."""

    kfc: KfcSettings
    """Of the candidate."""
    min_coverage: Ratio
    """See spec.rollout."""
    max_failure_ratio: Ratio
    """See spec.rollout."""
    termination_log: str = TERMINATION_LOG
    """The file that the TerminationMessage with the verdict is written to."""


class DropScope(StrEnum):
    """What a drop Job drops."""

    SPACE = "Space"
    CACHE = "Cache"
    """The keyspace with every space in it, and the consumer groups of all of them."""


class DropSettings(Model):
    """What the process needs that drops a space, or all of a cache."""

    kfc: KfcSettings
    scope: DropScope = DropScope.SPACE
