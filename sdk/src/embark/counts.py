"""What EmbArk counts, as its second port tells it in JSON: who asks it there has no certificate to ask by gRPC.

`/entries` tells what the store has of the active space, `/rollout/<space>` of the re-embedding into a space, `/lookups`
how long look-ups took.
"""

from typing import Self

from pydantic import Field, model_validator

from embark.spec.model import Model


class SpaceEntries(Model):
    """How many embeddings a space holds."""

    space: str
    entries: int = Field(ge=0)


class RolloutCounts(Model):
    """The sums over the checkpoints of a re-embedding; zeros where none was begun."""

    done: int = Field(ge=0)
    """Keys of the source that were gone through."""
    failed: int = Field(ge=0)
    """Of those, keys that could not be encoded."""


class LookupTimes(Model):
    """How long look-ups took in the server since it started, but for those that waited for fills: counts by time."""

    seconds: tuple[float, ...]
    """The longest time in each bucket, ascending; what took longer than all of them has a bucket of its own."""
    counts: tuple[int, ...]
    """Look-ups in each bucket: one more than `seconds` has."""

    @model_validator(mode="after")
    def _check_buckets(self) -> Self:
        if len(self.counts) != len(self.seconds) + 1 or min(self.counts) < 0:
            raise ValueError("counts has not a number of look-ups for each of seconds and one more")
        return self
