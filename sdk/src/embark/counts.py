"""The JSON of EmbArk's second port, for readers without a certificate for gRPC.

`/entries` returns SpaceEntries of the active space, `/rollout/<space>` RolloutCounts of the re-embedding into a space,
and `/lookups` LookupTimes.
"""

from typing import Self

from pydantic import Field, model_validator

from embark.spec.model import Model


class SpaceEntries(Model):
    """How many embeddings a space holds."""

    space: str
    entries: int = Field(ge=0)


class RolloutCounts(Model):
    """The sums over the checkpoints of a re-embedding; zeros if none was started."""

    done: int = Field(ge=0)
    """Keys of the source that were processed."""
    failed: int = Field(ge=0)
    """Of those, keys that could not be encoded."""


class LookupTimes(Model):
    """A histogram of the lookups since the server started, without those that waited for fills."""

    seconds: tuple[float, ...]
    """The upper bound of each bucket, ascending; a last bucket counts longer lookups."""
    counts: tuple[int, ...]
    """Lookups in each bucket: len(seconds) + 1 entries."""

    @model_validator(mode="after")
    def _check_buckets(self) -> Self:
        if len(self.counts) != len(self.seconds) + 1 or min(self.counts) < 0:
            raise ValueError("counts needs len(seconds) + 1 entries, none negative")
        return self
