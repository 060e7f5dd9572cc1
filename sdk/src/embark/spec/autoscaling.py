"""`autoscaling` of `spec.embark`, `spec.kfc` and `spec.retina`: how many replicas there are, and by what."""

from typing import Self

from pydantic import Field, model_validator

from embark.spec.model import Model
from embark.spec.quantities import Window


class _Autoscaling(Model):
    min: int
    max: int
    scale_down_after: Window = Field(
        default="5m", description="How long fewer replicas must have been enough to have fewer.", validate_default=True
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min {self.min} is over max {self.max}")
        return self


class CpuAutoscaling(_Autoscaling):
    """Replicas by CPU use."""

    min: int = Field(default=2, ge=1, le=1000, description="Replicas at least.")
    max: int = Field(default=10, ge=1, le=1000, description="Replicas at most.")
    target_cpu: int = Field(
        default=70, ge=1, le=100, alias="targetCPU", description="Mean CPU use aimed at, in percent of the request."
    )


class RetinaAutoscaling(CpuAutoscaling):
    """Replicas by CPU use, for an encoder that keeps its cores busy."""

    min: int = Field(default=1, ge=0, le=1000, description="Replicas at least; 0 only with KEDA, else 1.")
    max: int = Field(default=4, ge=1, le=1000, description="Replicas at most.")
    target_cpu: int = Field(
        default=80, ge=1, le=100, alias="targetCPU", description="Mean CPU use aimed at, in percent of the request."
    )


class LagAutoscaling(_Autoscaling):
    """Replicas by consumer lag."""

    min: int = Field(default=1, ge=0, le=1000, description="Replicas at least; 0 only with KEDA, else 1.")
    max: int = Field(default=12, ge=1, le=1000, description="Replicas at most; never over the topic's partitions.")
    lag_threshold: int = Field(
        default=100, ge=1, le=1_000_000_000, description="Records of lag that one replica is there for."
    )


def check_one_scaling(replicas: int | None, autoscaling: Model | None) -> None:
    """Refuse replicas beside autoscaling.

    Raises:
        ValueError: both are given.
    """
    if replicas is not None and autoscaling is not None:
        raise ValueError("replicas and autoscaling are both given; give one of them")
