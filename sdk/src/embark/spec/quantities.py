"""Quantities as Kubernetes users write them (`5ms`, `10Mi`, `0.99`), parsed once into timedelta, int and float."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, PlainSerializer, ValidationInfo, WithJsonSchema

_UNITS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}
_PARTS: Final = re.compile(r"(\d+)(ms|s|m|h)")
DURATION_PATTERN: Final = r"^([0-9]+(ms|s|m|h))+$"

_FACTORS: Final = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
SIZE_PATTERN: Final = r"^[0-9]+(Ki|Mi|Gi|k|M|G)?$"

RATIO_PATTERN: Final = r"^(0(\.[0-9]+)?|1(\.0+)?)$"


def parse_duration(value: object) -> timedelta:
    """Parse `1h30m`, `5s`, `5ms` (whole numbers, units ms, s, m, h) as Go and Kubernetes write them.

    Raises:
        ValueError: the text is not of that form.
    """
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str) or not re.fullmatch(DURATION_PATTERN, value):
        raise ValueError(f"{value!r} is not a duration such as 5ms, 30s or 1h30m")
    try:
        return timedelta(milliseconds=sum(int(n) * _UNITS[unit] for n, unit in _PARTS.findall(value)))
    except OverflowError:
        raise ValueError(f"{value!r} is longer than a duration can be") from None


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
        ValueError: the text is not of that form.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if not isinstance(value, str) or not re.fullmatch(SIZE_PATTERN, value):
        raise ValueError(f"{value!r} is not a size such as 10Mi or 500k")
    digits = re.match(r"\d+", value)
    assert digits is not None  # noqa: S101 - the pattern begins with digits
    return int(digits[0]) * _FACTORS[value[digits.end() :]]


def format_size(value: int) -> str:
    """Return the shortest text that parse_size reads as `value`."""
    for unit in ("Gi", "Mi", "Ki"):
        if value and value % _FACTORS[unit] == 0:
            return f"{value // _FACTORS[unit]}{unit}"
    return str(value)


def parse_ratio(value: object) -> float:
    """Parse a share between 0 and 1, written as text because the API server must not round it.

    Raises:
        ValueError: the text is not of that form.
    """
    if isinstance(value, float) and 0 <= value <= 1:
        return value
    if not isinstance(value, str) or not re.fullmatch(RATIO_PATTERN, value):
        raise ValueError(f'{value!r} is not a share between "0" and "1", such as "0.99", in quotes')
    return float(value)


def _read_ratio(value: object, info: ValidationInfo) -> float:
    if info.mode == "json" and isinstance(value, float):
        raise ValueError(f'{value!r} is a number; a share is text such as "0.99", in quotes')
    return parse_ratio(value)


def _format_ratio(value: float) -> str:
    # The digits of repr are those that read back as the same float; "f" spells out its exponent.
    return format(Decimal(repr(value)), "f").rstrip("0").rstrip(".") or "0"


def _text_schema(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern})


Duration = Annotated[
    timedelta, BeforeValidator(parse_duration), PlainSerializer(format_duration), _text_schema(DURATION_PATTERN)
]
Size = Annotated[int, BeforeValidator(parse_size), PlainSerializer(format_size), _text_schema(SIZE_PATTERN)]
Ratio = Annotated[float, BeforeValidator(_read_ratio), PlainSerializer(_format_ratio), _text_schema(RATIO_PATTERN)]
Port = Annotated[int, Field(ge=1, le=65535)]
