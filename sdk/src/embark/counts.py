"""What EmbArk counts in its store, as its second port tells it in JSON: the operator has no certificate to ask by gRPC.

`/entries` tells it of the active space, `/rollout/<space>` of the re-embedding into a space.
"""

from pydantic import Field

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
