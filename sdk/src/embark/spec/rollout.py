"""`spec.rollout`: how a change of the space is carried out."""

from enum import StrEnum

from pydantic import Field

from embark.spec.model import Model
from embark.spec.quantities import Duration, Ratio


class Approval(StrEnum):
    """Who starts a rollout."""

    AUTO = "Auto"
    MANUAL = "Manual"


class Rollout(Model):
    """`spec.rollout`."""

    approval: Approval = Field(default=Approval.AUTO, description="Auto, or Manual: wait for approval.")
    paused: bool = Field(default=False, description="If true, re-embedding waits; lookups and fills continue.")
    min_coverage: Ratio = Field(
        default="0.99", description="Coverage at which lookups switch to the candidate.", validate_default=True
    )
    max_failure_ratio: Ratio = Field(
        default="0.01", description="Maximum share of keys that may fail to re-embed.", validate_default=True
    )
    parallelism: int = Field(default=2, ge=1, le=256, description="Number of pods that re-embed at the same time.")
    max_keys_per_second: int = Field(
        default=0, ge=0, le=1_000_000_000, description="Rate limit of all pods together; 0: no limit."
    )
    max_lookup_slowdown: int = Field(
        default=2,
        ge=0,
        le=1000,
        description="Re-embedding slows down when the p99 of lookups exceeds this multiple of their p99 without it; "
        "0: never.",
    )
    keep_previous: Duration = Field(
        default="72h", description="How long the previous space is kept for rollback.", validate_default=True
    )
