"""`autoscaling` of `spec.embark`, `spec.kfc` and `spec.retina`: the number of replicas, by a metric."""

from typing import Self

from pydantic import Field, model_validator

from embark.spec.model import Model
from embark.spec.quantities import Window


class _Autoscaling(Model):
    min: int
    max: int
    scale_down_after: Window = Field(
        default="5m",
        description="How long fewer replicas must have been enough before the number goes down.",
        validate_default=True,
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min {self.min} exceeds max {self.max}")
        return self


class CpuAutoscaling(_Autoscaling):
    """Replicas by CPU use."""

    min: int = Field(default=2, ge=1, le=1000, description="Minimum number of replicas.")
    max: int = Field(default=10, ge=1, le=1000, description="Maximum number of replicas.")
    target_cpu: int = Field(
        default=70, ge=1, le=100, alias="targetCPU", description="Target mean CPU use, in percent of the request."
    )


class RetinaAutoscaling(CpuAutoscaling):
    """Replicas by CPU use, for an encoder that keeps its cores busy."""

    min: int = Field(default=1, ge=0, le=1000, description="Minimum number of replicas; 0 only with KEDA, else 1.")
    max: int = Field(default=4, ge=1, le=1000, description="Maximum number of replicas.")
    target_cpu: int = Field(
        default=80, ge=1, le=100, alias="targetCPU", description="Target mean CPU use, in percent of the request."
    )


class LagAutoscaling(_Autoscaling):
    """Replicas by consumer lag."""

    min: int = Field(default=1, ge=0, le=1000, description="Minimum number of replicas; 0 only with KEDA, else 1.")
    max: int = Field(
        default=12, ge=1, le=1000, description="Maximum number of replicas; at most the topic's partitions."
    )
    lag_threshold: int = Field(default=100, ge=1, le=1_000_000_000, description="Records of lag per replica.")


def check_one_scaling(replicas: int | None, autoscaling: Model | None) -> None:
    """Reject replicas together with autoscaling.

    Raises:
        ValueError: both are given.
    """
    if replicas is not None and autoscaling is not None:
        raise ValueError("replicas and autoscaling are mutually exclusive; set one of them")
