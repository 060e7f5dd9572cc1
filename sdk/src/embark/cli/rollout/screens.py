"""Where a watched status is shown: redrawn in place on a terminal, elsewhere a line for every change."""

import json
import shutil
import textwrap
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import click

from embark.spec import EmbeddingCache
from embark_operator.cli.progress import Pace
from embark_operator.cli.views import json_of, line_of, lines_of


class Screen(Protocol):
    """Shows a status again and again."""

    def show(self, cache: EmbeddingCache, pace: Pace, now: datetime) -> None:
        """Show a status."""
        ...

    def tell(self, trouble: str) -> None:
        """Say why there is no newer status."""
        ...


class TerminalScreen:
    """Draws over what it drew before."""

    def __init__(self) -> None:
        self._shown: Sequence[str] = ()
        self._height = 0

    def show(self, cache: EmbeddingCache, pace: Pace, now: datetime) -> None:
        """Draw a status."""
        self._shown = lines_of(cache, pace, now)
        self._draw(self._shown)

    def tell(self, trouble: str) -> None:
        """Draw the last status, and the trouble below it."""
        self._draw([*self._shown, f"  {trouble}"])

    def _draw(self, lines: Sequence[str]) -> None:
        width, height = shutil.get_terminal_size()
        # A line that the terminal wraps, or that scrolls away, cannot be drawn over.
        wrapped = [part for line in lines for part in textwrap.wrap(line, max(1, width - 1), subsequent_indent="    ")]
        fitting = wrapped[: height - 1]
        up = f"\x1b[{self._height}F" if self._height else ""
        click.echo(f"{up}\x1b[J" + "\n".join(fitting), color=True)
        self._height = len(fitting)


class LineScreen:
    """Prints a line when what is told of the cache itself has changed: its pace and the time are no news."""

    def __init__(self) -> None:
        self._last = ""

    def show(self, cache: EmbeddingCache, pace: Pace, now: datetime) -> None:  # noqa: ARG002 - ages are no news
        """Print a status."""
        self._print(line_of(cache, Pace()), line_of(cache, pace))

    def tell(self, trouble: str) -> None:
        """Print the trouble, to where it does not mix with the status."""
        if trouble != self._last:
            click.echo(trouble, err=True)
        self._last = trouble

    def _print(self, news: str, line: str) -> None:
        if news != self._last:
            click.echo(line)
        self._last = news


class JsonScreen(LineScreen):
    """Prints a JSON object in one line."""

    def show(self, cache: EmbeddingCache, pace: Pace, now: datetime) -> None:  # noqa: ARG002 - as above
        """Print a status."""
        self._print(json.dumps(json_of(cache, Pace())), json.dumps(json_of(cache, pace)))
