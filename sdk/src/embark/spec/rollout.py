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

    approval: Approval = Field(default=Approval.AUTO, description="Auto, or Manual: wait for an approval.")
    paused: bool = Field(default=False, description="Re-embedding waits; look-ups and fills go on.")
    min_coverage: Ratio = Field(
        default="0.99", description="Coverage of the candidate before look-ups switch to it.", validate_default=True
    )
    max_failure_ratio: Ratio = Field(
        default="0.01", description="Share of keys that may fail to re-embed.", validate_default=True
    )
    parallelism: int = Field(default=2, ge=1, le=256, description="Pods that re-embed at a time.")
    max_keys_per_second: int = Field(
        default=0, ge=0, le=1_000_000_000, description="Rate limit of all pods together; 0: none."
    )
    max_lookup_slowdown: int = Field(
        default=2,
        ge=0,
        le=1000,
        description="Re-embedding slows down for look-ups: their p99 may be so many times what it is without; 0: any.",
    )
    keep_previous: Duration = Field(
        default="72h", description="How long the previous space is kept for rollback.", validate_default=True
    )
