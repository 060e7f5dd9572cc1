import pytest
from hypothesis import given
from hypothesis import strategies as st

from embark.causes import CauseError, CauseKind
from embark.keys import MAX_KEY_BYTES, parse_key


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=2000))
def test_any_text_without_a_nul_is_a_key(text: str) -> None:
    assert parse_key(text.encode()) == text


@pytest.mark.parametrize(
    ("raw", "detail"),
    [
        (b"", "empty"),
        (b"x" * (MAX_KEY_BYTES + 1), f"{MAX_KEY_BYTES + 1} bytes; at most {MAX_KEY_BYTES}"),
        (b"x" * 2**20, "1048576 bytes"),
        (b"ok\xff", "not UTF-8 from byte 2 on"),
        (b"\xed\xa0\x80", "not UTF-8 from byte 0 on"),
        (b"\xc0\xaf", "not UTF-8"),
        ("é\0".encode(), "NUL at character 1"),
    ],
)
def test_an_invalid_key_has_a_cause_that_tells_why(raw: bytes, detail: str) -> None:
    with pytest.raises(CauseError) as raised:
        parse_key(raw)
    assert raised.value.cause.kind is CauseKind.INVALID_KEY
    assert detail in raised.value.cause.detail


def test_the_longest_key_is_a_key() -> None:
    assert len(parse_key(b"x" * MAX_KEY_BYTES)) == MAX_KEY_BYTES
    with pytest.raises(CauseError):
        parse_key("é".encode() * (MAX_KEY_BYTES // 2) + b"x")
