from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from embark.spec.quantities import (
    Duration,
    Ratio,
    Size,
    format_duration,
    format_size,
    parse_duration,
    parse_ratio,
    parse_size,
)


class Quantities(BaseModel):
    duration: Duration = timedelta(0)
    size: Size = 0
    ratio: Ratio = 0.0


@given(st.integers(0, 175_200 * 3_600_000))
def test_a_duration_of_whole_milliseconds_reads_back(milliseconds: int) -> None:
    duration = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(duration)) == duration


@given(st.integers(0, 2**40))
def test_a_size_reads_back(size: int) -> None:
    assert parse_size(format_size(size)) == size


@given(st.integers(0, 2**10), st.sampled_from([("Ki", 2**10), ("Mi", 2**20), ("Gi", 2**30)]))
def test_a_size_in_binary_units_reads_back(count: int, unit: tuple[str, int]) -> None:
    assert parse_size(f"{count}{unit[0]}") == count * unit[1]
    assert parse_size(format_size(count * unit[1])) == count * unit[1]


@given(
    st.timedeltas(timedelta(0), timedelta(days=7_000)).map(lambda d: d - d % timedelta(milliseconds=1)),
    st.integers(0, 2**40),
    st.integers(0, 10**9).map(lambda billionths: billionths / 10**9),
)
def test_quantities_read_back_from_json(duration: timedelta, size: int, ratio: float) -> None:
    value = Quantities(duration=duration, size=size, ratio=ratio)
    assert Quantities.model_validate_json(value.model_dump_json()) == value


@pytest.mark.parametrize(
    ("text", "milliseconds"), [("0s", 0), ("5ms", 5), ("1h30m", 5_400_000), ("90m", 5_400_000), ("1s1s", 2000)]
)
def test_durations_are_parsed_as_kubernetes_writes_them(text: str, milliseconds: int) -> None:
    assert parse_duration(text) == timedelta(milliseconds=milliseconds)


@pytest.mark.parametrize(
    "text", ["", "5", "ms", "-5s", "1.5s", "5 s", "5S", "1d", "5s\n", "\u0665s", 5, None, f"{'9' * 99}h", "175201h"]
)
def test_an_invalid_duration_is_a_value_error(text: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize(("text", "size"), [("0", 0), ("10Mi", 10 * 2**20), ("500k", 500_000), ("1G", 10**9), (7, 7)])
def test_sizes_are_parsed_as_kubernetes_writes_them(text: object, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "Mi", "10MB", "-1", "1.5Mi", "10mi", "1 Ki", -1, True, 1.0, None, "1\n", 2**40 + 1]
)
def test_an_invalid_size_is_a_value_error(text: object) -> None:
    with pytest.raises(ValueError, match="size"):
        parse_size(text)


@pytest.mark.parametrize(("text", "ratio"), [("0", 0.0), ("1", 1.0), ("1.00", 1.0), ("0.99", 0.99), (0.5, 0.5)])
def test_shares_are_parsed(text: object, ratio: float) -> None:
    assert parse_ratio(text) == ratio


@pytest.mark.parametrize("text", ["", "1.1", "-0.1", ".5", "0.", "2", "99%", "nan", 1.5, float("nan"), None, True])
def test_an_invalid_share_is_a_value_error(text: object) -> None:
    with pytest.raises(ValueError, match="share"):
        parse_ratio(text)


def test_a_share_in_a_document_is_text() -> None:
    with pytest.raises(ValidationError, match="in quotes"):
        Quantities.model_validate_json('{"ratio": 0.5}')
    assert Quantities(ratio=0.5).ratio == 0.5
