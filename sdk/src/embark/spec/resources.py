"""Container resources of `spec.embark`, `spec.kfc` and `spec.retina`, as in core/v1."""

from typing import Annotated, Final, Self

from pydantic import Field, StringConstraints, model_validator

from embark.spec.model import Model
from embark.spec.quantities import Quantity, quantity_value

_EXTENDED: Final = r"[a-z0-9]([a-z0-9.\-]*[a-z0-9])?/[A-Za-z0-9]([A-Za-z0-9_.\-]*[A-Za-z0-9])?"
RESOURCE_PATTERN: Final = rf"^(cpu|memory|ephemeral-storage|hugepages-[0-9A-Za-z]+|{_EXTENDED})$"
NAME_LENGTH: Final = 253
_MAX_RESOURCES: Final = 16


ResourceName = Annotated[str, StringConstraints(pattern=RESOURCE_PATTERN, max_length=NAME_LENGTH)]
ExtendedResource = Annotated[str, StringConstraints(pattern=f"^{_EXTENDED}$", max_length=NAME_LENGTH)]


class Resources(Model):
    """Container resources."""

    requests: dict[ResourceName, Quantity] = Field(
        default_factory=dict, max_length=_MAX_RESOURCES, description="Guaranteed, for example cpu: 500m."
    )
    limits: dict[ResourceName, Quantity] = Field(
        default_factory=dict, max_length=_MAX_RESOURCES, description="Maximum, for example memory: 1Gi."
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        for name, request in self.requests.items():
            if name in self.limits and quantity_value(request) > quantity_value(self.limits[name]):
                raise ValueError("a request exceeds its limit")
        return self
