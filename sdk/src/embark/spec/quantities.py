"""Quantities as Kubernetes users write them (`5ms`, `10Mi`, `0.99`), parsed once into timedelta, int and float."""

import math
import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Final, TypeGuard

from pydantic import BeforeValidator, Field, PlainSerializer, ValidationInfo, WithJsonSchema

_UNITS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}
_PARTS: Final = re.compile(r"([0-9]+)(ms|s|m|h)")
DURATION_PATTERN: Final = r"^([0-9]{1,9}(ms|s|m|h))+$"
MAX_DURATION: Final = "175200h"
_MAX_TIMEDELTA: Final = timedelta(hours=175_200)  # 20 years of 365 days, Cassandra's maximum TTL

MAX_WINDOW: Final = "1h"  # the longest stabilization window of a HorizontalPodAutoscaler

_BINARY: Final = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL: Final = ("m", "", "k", "M", "G", "T", "P", "E")
_FACTORS: Final = {suffix: Decimal(1024) ** power for power, suffix in enumerate(_BINARY)} | {
    suffix: Decimal(1000) ** power for power, suffix in enumerate(_DECIMAL, start=-1)
}
QUANTITY_PATTERN: Final = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"
_MAX_NUMBER: Final = 2**63 - 1  # the API server stores no larger one
SIZE_PATTERN: Final = r"^[0-9]+(Ki|Mi|Gi|k|M|G)?$"
MAX_SIZE: Final = "1024Gi"
_MAX_BYTES: Final = 2**40

RATIO_PATTERN: Final = r"^(0(\.[0-9]+)?|1(\.0+)?)$"

# Length of a quantity's text: bounds the cost of one CEL rule of the CRD.
_MAX_LENGTH: Final = 20


def parse_duration(value: object) -> timedelta:
    """Parse `1h30m`, `5s`, `5ms` (whole numbers, units ms, s, m, h) as Go and Kubernetes write them.

    Raises:
        ValueError: the text is not a duration, or exceeds 20 years.
    """
    if isinstance(value, timedelta):
        return value
    if not _is_text(value, DURATION_PATTERN):
        raise ValueError(f"{value!r} is not a duration such as 5ms, 30s or 1h30m")
    duration = timedelta(milliseconds=sum(int(n) * _UNITS[unit] for n, unit in _PARTS.findall(value)))
    if duration > _MAX_TIMEDELTA:
        raise ValueError(f"{value!r} exceeds the maximum duration of {MAX_DURATION}")
    return duration


def parse_timeout(value: object) -> timedelta:
    """Parse a duration that is not zero.

    Raises:
        ValueError: not a duration, or zero.
    """
    duration = parse_duration(value)
    if not duration:
        raise ValueError(f"{value!r} must be at least 1ms")
    return duration


def parse_window(value: object) -> timedelta:
    """Parse a duration of at most an hour.

    Raises:
        ValueError: not a duration, or a longer one.
    """
    duration = parse_duration(value)
    if duration > parse_duration(MAX_WINDOW):
        raise ValueError(f"{value!r} exceeds the maximum of {MAX_WINDOW}")
    return duration


def format_duration(value: timedelta) -> str:
    """Return the shortest text that parse_duration reads as `value`; fractions of a millisecond are dropped."""
    rest = value // timedelta(milliseconds=1)
    parts = []
    for unit in ("h", "m", "s", "ms"):
        count, rest = divmod(rest, _UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def parse_size(value: object) -> int:
    """Parse a number of bytes, `10Mi` or `500k`, as Kubernetes writes memory quantities.

    Raises:
        ValueError: the text is not a size, or exceeds a tebibyte.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        size = value
    elif _is_text(value, SIZE_PATTERN):
        size = int(quantity_value(value))
    else:
        raise ValueError(f"{value!r} is not a size such as 10Mi or 500k")
    if size > _MAX_BYTES:
        raise ValueError(f"{value!r} exceeds the maximum size of {MAX_SIZE}")
    return size


def parse_positive_size(value: object) -> int:
    """Parse a size that is not zero.

    Raises:
        ValueError: not a size, or zero.
    """
    size = parse_size(value)
    if not size:
        raise ValueError(f"{value!r} must be at least 1 byte")
    return size


def format_size(value: int) -> str:
    """Return the shortest text that parse_size reads as `value`."""
    for unit in ("Gi", "Mi", "Ki"):
        factor = int(_FACTORS[unit])
        if value and value % factor == 0:
            return f"{value // factor}{unit}"
    return str(value)


def parse_quantity(value: object) -> str:
    """Return the quantity of a container's resource as text; a whole number needs no quotes, as in `cpu: 2`.

    Raises:
        ValueError: neither a quantity nor a whole number.
    """
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_NUMBER:
        value = str(value)
    if not _is_text(value, QUANTITY_PATTERN):
        raise ValueError(f"{value!r} is not a quantity such as 2, 500m or 1Gi")
    return value


def quantity_value(quantity: str) -> Decimal:
    """Return the number that a quantity of Kubernetes stands for."""
    digits = quantity.rstrip("".join(_FACTORS))
    return Decimal(digits) * _FACTORS[quantity.removeprefix(digits)]


def canonical_quantity(quantity: str) -> str:
    """Return the quantity of a container's resource as the API server stores it: `1` for `1000m`, `1Gi` for `1024Mi`.

    That is the whole number with the largest suffix of its own kind (binary or decimal) that loses nothing, rounded up
    to thousandths, which is how finely resources are kept (resource.Quantity and SetDefaults_ResourceList of
    Kubernetes). A binary quantity below 1024, or with a fraction of a byte, is written as a decimal one.

    Raises:
        ValueError: it exceeds what Kubernetes can count.
    """
    value = quantity_value(quantity)
    if value > _MAX_NUMBER:
        raise ValueError(f"{quantity} exceeds the largest quantity, {_MAX_NUMBER}")
    thousandths = math.ceil(value * 1000)
    whole, fraction = divmod(thousandths, 1000)
    if quantity.endswith("i") and not fraction and whole >= 1024:  # noqa: PLR2004 - 1Ki
        return _shorten(whole, 1024, _BINARY)
    return _shorten(thousandths, 1000, _DECIMAL)


def _shorten(number: int, factor: int, suffixes: tuple[str, ...]) -> str:
    if number == 0:
        return "0"
    at = 0
    while number % factor == 0 and at < len(suffixes) - 1:
        number //= factor
        at += 1
    return f"{number}{suffixes[at]}"


def parse_ratio(value: object) -> float:
    """Parse a share between 0 and 1, written as text because the API server must not round it.

    Raises:
        ValueError: the text is not a share.
    """
    if isinstance(value, float) and 0 <= value <= 1:
        return value
    if not _is_text(value, RATIO_PATTERN):
        raise ValueError(f'{value!r} is not a share between "0" and "1", such as "0.99", in quotes')
    return float(value)


def _read_ratio(value: object, info: ValidationInfo) -> float:
    if info.mode == "json" and isinstance(value, float):
        raise ValueError(f'{value!r} is a number; a share is text such as "0.99", in quotes')
    return parse_ratio(value)


def _format_ratio(value: float) -> str:
    # repr gives the shortest digits that read back as the same float; "f" spells out its exponent.
    return format(Decimal(repr(value)), "f").rstrip("0").rstrip(".") or "0"


def _is_text(value: object, pattern: str) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) <= _MAX_LENGTH and re.fullmatch(pattern, value) is not None


# `x-min` and `x-max` are bounds, as text; the CRD has a CEL rule for them.
def _duration_schema(minimum: str, maximum: str = MAX_DURATION) -> WithJsonSchema:
    text = {"type": "string", "pattern": DURATION_PATTERN, "maxLength": _MAX_LENGTH}
    return WithJsonSchema(text | {"x-min": minimum, "x-max": maximum})


def _size_schema(minimum: int) -> WithJsonSchema:
    either = {"x-kubernetes-int-or-string": True, "pattern": SIZE_PATTERN, "maxLength": _MAX_LENGTH}
    return WithJsonSchema(either | {"x-min": str(minimum), "x-max": MAX_SIZE})


Duration = Annotated[
    timedelta, BeforeValidator(parse_duration), PlainSerializer(format_duration), _duration_schema("0s")
]
Timeout = Annotated[
    timedelta, BeforeValidator(parse_timeout), PlainSerializer(format_duration), _duration_schema("1ms")
]
Window = Annotated[
    timedelta, BeforeValidator(parse_window), PlainSerializer(format_duration), _duration_schema("0s", MAX_WINDOW)
]
Size = Annotated[int, BeforeValidator(parse_size), PlainSerializer(format_size), _size_schema(0)]
PositiveSize = Annotated[int, BeforeValidator(parse_positive_size), PlainSerializer(format_size), _size_schema(1)]
Quantity = Annotated[
    str,
    BeforeValidator(parse_quantity),
    WithJsonSchema(
        {"x-kubernetes-int-or-string": True, "pattern": QUANTITY_PATTERN, "maxLength": _MAX_LENGTH, "minimum": 0}
    ),
]
Ratio = Annotated[
    float,
    BeforeValidator(_read_ratio),
    PlainSerializer(_format_ratio),
    WithJsonSchema({"type": "string", "pattern": RATIO_PATTERN, "maxLength": _MAX_LENGTH}),
]
Port = Annotated[int, Field(ge=1, le=65535)]
