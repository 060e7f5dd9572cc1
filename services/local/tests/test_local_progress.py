"""What a reporter sees of a re-embedding."""

import os
import threading
from collections.abc import Iterator

import pytest

from embark.signals import Stopping
from embark_local.approvals import confirm
from embark_local.progress import Progress, draw, in_words, plan
from embark_local.reporters import TerminalReporter


def test_a_line_has_keys_failures_rate_and_the_time_left() -> None:
    line = draw(Progress(done=890, failed=10, total=2_000, keys_per_second=50))
    assert line == "re-embedding [#########-----------]  45%  900/2,000 keys, 10 failed, 50 keys/s, 22 s left"


def test_a_beginning_knows_no_rate_and_an_empty_space_is_done() -> None:
    assert draw(Progress(0, 0, 40)) == f"re-embedding [{'-' * 20}]   0%  0/40 keys"
    assert draw(Progress(0, 0, 0)) == f"re-embedding [{'#' * 20}] 100%  0/0 keys"


def test_keys_added_during_the_scan_never_exceed_the_total() -> None:
    assert draw(Progress(50, 0, 40, 10)) == f"re-embedding [{'#' * 20}] 100%  50/50 keys, 10 keys/s"


def test_a_plan_names_what_is_not_known() -> None:
    assert plan(900, 0, 0) == "900 keys to encode; time: not known: no re-embedding has been measured here"
    assert plan(900, 0, 10).endswith("; at least 90 s by spec.rollout.maxKeysPerSecond")


def test_a_plan_goes_by_the_last_rate_and_the_limit() -> None:
    assert plan(9_000, 30, 0) == "9,000 keys to encode; time: about 5 min, at the rate of the last one"
    assert "about 15 min" in plan(9_000, 30, 10)


@pytest.mark.parametrize(("seconds", "words"), [(0.2, "1 s"), (119, "119 s"), (150, "3 min"), (9_000, "2.5 h")])
def test_durations_are_rounded_up(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_a_log_gets_a_line_every_few_seconds_and_the_last(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    reporter = TerminalReporter(terminal=False, timer=lambda: now)
    for now in (0.0, 1.0, 4.9, 5.0, 6.0):
        reporter.show(Progress(int(now), 0, 100))
    reporter.show(Progress(100, 0, 100))
    shown = [line.split()[2 if "] " not in line else -2] for line in capsys.readouterr().out.splitlines()]
    assert shown == ["0/100", "5/100", "100/100"]


def test_a_terminal_keeps_one_line_and_messages_go_below_it(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = TerminalReporter(terminal=True, timer=lambda: 0.0)
    reporter.show(Progress(100, 0, 100))
    reporter.say("verified")
    assert capsys.readouterr().out == f"\r\x1b[2K{draw(Progress(100, 0, 100))}\nverified\n"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(writing)


@pytest.mark.parametrize(("line", "answer"), [("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False)])
def test_a_line_answers_the_question(line: str, answer: bool, pipe: tuple[int, int]) -> None:  # noqa: FBT001
    os.write(pipe[1], line.encode())
    with os.fdopen(pipe[0]) as answers:
        assert confirm("really?", answers, Stopping()) is answer


def test_a_signal_ends_the_question(pipe: tuple[int, int]) -> None:
    stopping = Stopping()
    threading.Timer(0.05, stopping.set).start()
    with os.fdopen(pipe[0]) as answers:
        assert confirm("really?", answers, stopping) is False
    assert stopping.is_set()
