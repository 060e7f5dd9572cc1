from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embark.errors import InvalidSpecError, UnavailableError
from embark.processes import exit_status
from embark.rollout.verdict import Verdict
from embark.termination import MAX_TERMINATION_BYTES, TerminationMessage


@given(st.text(max_size=2000))
def test_a_message_of_any_error_fits_and_is_read_as_it_was_written(text: str) -> None:
    message = TerminationMessage.from_error(UnavailableError("topic", text))
    written = message.to_json()
    assert len(written.encode()) <= MAX_TERMINATION_BYTES
    assert TerminationMessage.parse(written) == message
    assert message.server == "topic"


def test_a_short_error_is_whole() -> None:
    error = InvalidSpecError("spec.kfc", "wrong")
    assert TerminationMessage.from_error(error) == TerminationMessage(error="spec.kfc: wrong")


def test_an_error_that_is_not_unicode_is_reported() -> None:
    written = TerminationMessage.from_error(OSError("no file \udcff")).to_json()
    assert TerminationMessage.parse(written) == TerminationMessage(error="no file \\udcff")


def test_a_verdict_is_read_as_it_was_written() -> None:
    message = TerminationMessage(verdict=Verdict(keys=3, held=2, failed=1, sampled=1, lost=("a: NOT_FOUND",)))
    assert TerminationMessage.parse(message.to_json()) == message


@pytest.mark.parametrize("text", ["", "Traceback", '{"level": "INFO", "message": "started"}', "[]"])
def test_the_end_of_a_log_is_not_a_message(text: str) -> None:
    assert TerminationMessage.parse(text) is None


def test_a_message_replaces_the_file_that_the_kubelet_mounts_and_creates_none(tmp_path: Path) -> None:
    mounted, missing = tmp_path / "mounted", tmp_path / "missing"
    mounted.write_text("x" * 1000)
    for path in (mounted, missing):
        TerminationMessage(error="wrong").write_if_mounted(str(path))
    assert TerminationMessage.parse(mounted.read_text()) == TerminationMessage(error="wrong")
    assert not missing.exists()


def test_a_process_that_fails_reports_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[TerminationMessage] = []

    def write(message: TerminationMessage) -> None:
        written.append(message)

    def fail() -> None:
        raise UnavailableError("store", "no answer in time")

    monkeypatch.setattr(TerminationMessage, "write_if_mounted", write)

    assert exit_status(fail) == 1
    assert written == [TerminationMessage(error="store: no answer in time", server="store")]
