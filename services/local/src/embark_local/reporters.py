"""Where the local rollout reports its progress: to no one, or to a terminal or log."""

import time
from collections.abc import Callable
from typing import Final, Protocol

import click

from embark_local.progress import Progress, draw

# A line of a log is kept; that of a terminal is overwritten.
_LOG_SECONDS: Final = 5.0
_TERMINAL_SECONDS: Final = 0.2


class Reporter(Protocol):
    """Receives reports from the threads of the rollout."""

    def say(self, message: str) -> None:
        """Report a message."""
        ...

    def show(self, progress: Progress) -> None:
        """Report the progress of the re-embedding; it is called often."""
        ...


class SilentReporter:
    """Discards every report."""

    def say(self, message: str) -> None:
        """Discard it."""

    def show(self, progress: Progress) -> None:
        """Discard it."""


class TerminalReporter:
    """Prints reports: progress on one line of a terminal, or as a line of a log every few seconds."""

    def __init__(self, *, terminal: bool, timer: Callable[[], float] = time.monotonic) -> None:
        self._terminal = terminal
        self._timer = timer
        self._next = timer()
        self._drawn = False

    def say(self, message: str) -> None:
        """Print it on its own line."""
        if self._drawn:
            click.echo()
            self._drawn = False
        click.echo(message)

    def show(self, progress: Progress) -> None:
        """Print it unless progress was printed just before; the end is always printed."""
        now = self._timer()
        if now < self._next and progress.share < 1:
            return
        self._next = now + (_TERMINAL_SECONDS if self._terminal else _LOG_SECONDS)
        if self._terminal:
            click.echo(f"\r\x1b[2K{draw(progress)}", nl=False, color=True)
            self._drawn = True
        else:
            click.echo(draw(progress))
