"""`scheduling` of `spec.embark`, `spec.kfc` and `spec.retina`: the nodes that pods run on, and their priority."""

from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import Field, WithJsonSchema, model_validator

from embark.spec.backends import SecretName
from embark.spec.labels import LabelName, LabelValue, OptionalLabelName
from embark.spec.model import Model

_MAX_SECONDS: Final = 1_000_000_000
_MAX_ENTRIES: Final = 16
# The API server validates it when the Deployment is applied.
Affinity = Annotated[dict[str, Any], WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True})]


class TolerationOperator(StrEnum):
    """How a toleration matches taints."""

    EXISTS = "Exists"
    EQUAL = "Equal"


class TaintEffect(StrEnum):
    """What a taint does to pods that do not tolerate it."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Toleration(Model):
    """One entry of `scheduling.tolerations`, as in core/v1."""

    key: OptionalLabelName = Field(default="", description="The taint's key; empty, with operator Exists: any key.")
    operator: TolerationOperator = Field(
        default=TolerationOperator.EQUAL, description="Equal: taints with this value; Exists: taints with any value."
    )
    value: LabelValue = Field(default="", description="The taint's value, for operator Equal.")
    effect: TaintEffect | None = Field(default=None, description="The taint's effect; not set: any effect.")
    toleration_seconds: int | None = Field(
        default=None, ge=0, le=_MAX_SECONDS, description="For effect NoExecute: how long; not set: forever."
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.operator is TolerationOperator.EXISTS and self.value:
            raise ValueError("value is only allowed with operator Equal")
        if self.operator is TolerationOperator.EQUAL and not self.key:
            raise ValueError("operator Equal requires a key")
        if self.toleration_seconds is not None and self.effect is not TaintEffect.NO_EXECUTE:
            raise ValueError("tolerationSeconds is only allowed with effect NoExecute")
        return self


class Scheduling(Model):
    """`scheduling` of one component."""

    priority_class_name: SecretName = Field(default="", description="The pods' PriorityClass; empty: the cluster's.")
    runtime_class_name: SecretName = Field(
        default="", description="The pods' RuntimeClass, for example nvidia; empty: the cluster's."
    )
    node_selector: dict[LabelName, LabelValue] = Field(
        default_factory=dict, max_length=_MAX_ENTRIES, description="Labels of the nodes that pods may run on."
    )
    tolerations: tuple[Toleration, ...] = Field(
        default=(),
        max_length=_MAX_ENTRIES,
        description="Taints that pods tolerate; Retina always tolerates the taint of its GPUs.",
    )
    affinity: Affinity = Field(
        default_factory=dict, description="nodeAffinity, podAffinity and podAntiAffinity, as in core/v1."
    )
