"""Container resources as `spec.embark`, `spec.kfc` and `spec.retina` give them, in the form of core/v1."""

import re
from decimal import Decimal
from typing import Annotated, Final, Self

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema, model_validator

from embark.spec.model import Model

_BINARY: Final = {unit: Decimal(2**power) for unit, power in (("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40))}
_DECIMAL: Final = {unit: Decimal(10) ** power for unit, power in (("m", -3), ("", 0), ("k", 3), ("M", 6))}
_FACTORS: Final = _BINARY | _DECIMAL | {"G": Decimal(10**9), "T": Decimal(10**12)}
QUANTITY_PATTERN: Final = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"
_MAX_LENGTH: Final = 20
_LARGEST_NUMBER: Final = 2**63 - 1  # the API server has none larger; one in quotes may be
_EXTENDED: Final = r"[a-z0-9]([a-z0-9.\-]*[a-z0-9])?/[A-Za-z0-9]([A-Za-z0-9_.\-]*[A-Za-z0-9])?"
RESOURCE_PATTERN: Final = rf"^(cpu|memory|ephemeral-storage|hugepages-[0-9A-Za-z]+|{_EXTENDED})$"
NAME_LENGTH: Final = 253
_MOST_RESOURCES: Final = 16


def parse_quantity(value: object) -> str:
    """Return a quantity as text; a whole number may stand without quotes, as in `cpu: 2`.

    Raises:
        ValueError: neither text of that form nor a whole number.
    """
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST_NUMBER:
        value = str(value)
    if not isinstance(value, str) or len(value) > _MAX_LENGTH or not re.fullmatch(QUANTITY_PATTERN, value):
        raise ValueError(f"{value!r} is not a quantity such as 2, 500m or 1Gi")
    return value


def quantity_value(quantity: str) -> Decimal:
    """Return the number that a parsed quantity stands for."""
    digits = re.match(r"[0-9.]+", quantity)
    assert digits is not None  # noqa: S101 - the pattern begins with digits
    return Decimal(digits[0]) * _FACTORS[quantity[digits.end() :]]


Quantity = Annotated[
    str,
    BeforeValidator(parse_quantity),
    WithJsonSchema(
        {"x-kubernetes-int-or-string": True, "pattern": QUANTITY_PATTERN, "maxLength": _MAX_LENGTH, "minimum": 0}
    ),
]
ResourceName = Annotated[str, StringConstraints(pattern=RESOURCE_PATTERN, max_length=NAME_LENGTH)]
ExtendedResource = Annotated[str, StringConstraints(pattern=f"^{_EXTENDED}$", max_length=NAME_LENGTH)]


class Resources(Model):
    """Container resources."""

    requests: dict[ResourceName, Quantity] = Field(
        default_factory=dict, max_length=_MOST_RESOURCES, description="Guaranteed, for example cpu: 500m."
    )
    limits: dict[ResourceName, Quantity] = Field(
        default_factory=dict, max_length=_MOST_RESOURCES, description="At most, for example memory: 1Gi."
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        for name, request in self.requests.items():
            if name in self.limits and quantity_value(request) > quantity_value(self.limits[name]):
                raise ValueError("a request is over its limit")
        return self
