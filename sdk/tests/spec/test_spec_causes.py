import pytest
from hypothesis import given
from hypothesis import strategies as st

from embark.causes import MAX_DETAIL, Cause, CauseError, CauseKind

KINDS = st.sampled_from(list(CauseKind))


@given(KINDS, st.text())
def test_a_cause_reads_back_from_its_stored_text(kind: CauseKind, detail: str) -> None:
    cause = Cause(kind, detail)
    assert Cause.from_text(cause.to_text()) == cause


@given(KINDS, st.text())
def test_any_detail_is_shortened_and_made_printable(kind: CauseKind, detail: str) -> None:
    kept = Cause(kind, detail).detail
    assert len(kept) == min(len(detail), MAX_DETAIL)
    assert kept.isprintable()


def test_a_detail_cannot_break_a_line_or_drive_a_terminal() -> None:
    assert Cause(CauseKind.BLOCKED, "a\nb\x1b[2J\u202ec").detail == "a b [2J c"


@pytest.mark.parametrize("text", ["", "nonsense", "nonsense: x", "NOT_FOUND: x", ": x"])
def test_text_of_an_unknown_kind_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="CauseKind"):
        Cause.from_text(text)


def test_a_detail_may_hold_the_separator() -> None:
    assert Cause.from_text("blocked: a: b").detail == "a: b"
    assert Cause.from_text("blocked") == Cause(CauseKind.BLOCKED, "")


def test_only_causes_that_a_retry_cannot_change_are_permanent() -> None:
    permanent = {kind for kind in CauseKind if Cause(kind, "").permanent}
    assert {kind.value for kind in permanent} == {"not_found", "undecodable", "blocked", "invalid_key"}


def test_the_texts_of_stored_kinds_never_change() -> None:
    assert [kind.value for kind in CauseKind] == [
        "not_found",
        "undecodable",
        "blocked",
        "unreachable",
        "encoder_failed",
        "invalid_key",
        "unreadable",
    ]


def test_an_error_carries_its_cause() -> None:
    error = CauseError(CauseKind.NOT_FOUND, "404")
    assert (error.cause, str(error)) == (Cause(CauseKind.NOT_FOUND, "404"), "not_found (404)")
