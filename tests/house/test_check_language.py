"""The language check finds the words that it looks for, and leaves plain English."""

import runpy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

CHECK: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "check-language"))
check_python: Callable[[str, str], Sequence[Any]] = CHECK["check_python"]
check_text: Callable[[str, int, str], Sequence[Any]] = CHECK["check_text"]


@pytest.mark.parametrize(
    "source",
    [
        '"""Begin anew."""',
        "# the one that was asked\nx = 1",
        'raise ValueError("there is somebody")',
        'f"{x} is no number"',
        "# a comment that wraps: this is\n# no number\nx = 1",
        "def cause_of(wire): ...",
        "def land(told): ...",
        "_MOST_KEYS = 1",
        "self.handed = 1",
        "class Endings: ...",
        "def test_two_look_ups(): ...",
        "try: ...\nexcept ValueError as told: ...",
        "from os import path as gone",
        "match x:\n    case [1, *told]: ...",
        "match x:\n    case {1: 2, **told}: ...",
        "match x:\n    case int() as told: ...",
        'x = ("this goes "\n     f"on")',
        "def test_a_scan_goes_on(): ...",
    ],
)
def test_the_language_check_finds_what_it_looks_for(source: str) -> None:
    assert list(check_python("a.py", source))


@pytest.mark.parametrize(
    "source",
    ['"""There is no such key; it is no longer kept."""', "standalone = 1", "def look_up(key): ...", "_MAX_KEYS = 1"],
)
def test_the_language_check_leaves_plain_english(source: str) -> None:
    assert not list(check_python("a.py", source))


def test_the_language_check_reports_the_line_within_strings_that_follow_each_other() -> None:
    [finding] = check_python("a.py", 'x = (\n    "one "\n    "this goes "\n    "on"\n)')
    assert (finding.line, finding.words) == (3, "goes \non")


def test_the_language_check_reports_the_line_of_a_phrase() -> None:
    [finding] = check_text("a.md", 1, "First line.\nThis goes\non.\n")
    assert (finding.line, finding.better) == (2, "continue")
