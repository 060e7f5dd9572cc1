"""Where `status --watch` shows a status: redrawn in place on a terminal, elsewhere one line per change."""

import json
import shutil
import textwrap
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import click

from embark.cli.rollout.progress import ReembeddingRate
from embark.cli.rollout.status_lines import format_status, format_status_line, status_to_json
from embark.spec import EmbeddingCache


class Screen(Protocol):
    """Shows one status after another."""

    def show(self, cache: EmbeddingCache, rate: ReembeddingRate, now: datetime) -> None:
        """Show a status."""
        ...

    def show_problem(self, problem: str) -> None:
        """Show why there is no newer status."""
        ...


class TerminalScreen:
    """Redraws the status in place."""

    def __init__(self) -> None:
        self._shown: Sequence[str] = ()
        self._height = 0

    def show(self, cache: EmbeddingCache, rate: ReembeddingRate, now: datetime) -> None:
        """Draw a status."""
        self._shown = format_status(cache, rate, now)
        self._draw(self._shown)

    def show_problem(self, problem: str) -> None:
        """Draw the last status with the problem below it."""
        self._draw([*self._shown, f"  {problem}"])

    def _draw(self, lines: Sequence[str]) -> None:
        width, height = shutil.get_terminal_size()
        # A line that the terminal wraps or scrolls off cannot be redrawn.
        wrapped = [part for line in lines for part in textwrap.wrap(line, max(1, width - 1), subsequent_indent="    ")]
        fitting = wrapped[: height - 1]
        up = f"\x1b[{self._height}F" if self._height else ""
        click.echo(f"{up}\x1b[J" + "\n".join(fitting), color=True)
        self._height = len(fitting)


class LineScreen:
    """Prints a line whenever the status itself has changed; a new rate or age is not a change."""

    def __init__(self) -> None:
        self._last = ""

    def show(self, cache: EmbeddingCache, rate: ReembeddingRate, now: datetime) -> None:  # noqa: ARG002 - shows no ages
        """Print a status."""
        self._print(format_status_line(cache, ReembeddingRate()), format_status_line(cache, rate))

    def show_problem(self, problem: str) -> None:
        """Print the problem on stderr, apart from the status."""
        if problem != self._last:
            click.echo(problem, err=True)
        self._last = problem

    def _print(self, identity: str, line: str) -> None:
        """Print `line` unless the last one had the same `identity`."""
        if identity != self._last:
            click.echo(line)
        self._last = identity


class JsonScreen(LineScreen):
    """Prints each status as a JSON object on one line."""

    def show(self, cache: EmbeddingCache, rate: ReembeddingRate, now: datetime) -> None:  # noqa: ARG002 - shows no ages
        """Print a status."""
        self._print(json.dumps(status_to_json(cache, ReembeddingRate())), json.dumps(status_to_json(cache, rate)))
