"""Whoever is told how a re-embedding in this process goes: nobody, or a person at a terminal or behind a log."""

import time
from collections.abc import Callable
from typing import Final, Protocol

import click

from embark_local.progress import Progress, draw

# A line of a log is kept, that of a terminal is drawn over.
_LOG_SECONDS: Final = 5.0
_TERMINAL_SECONDS: Final = 0.2


class Viewer(Protocol):
    """Is told from the thread of the rollout."""

    def say(self, message: str) -> None:
        """Take a sentence."""
        ...

    def show(self, progress: Progress) -> None:
        """Take how far the re-embedding is; it comes often."""
        ...


class Nobody:
    """A Viewer that looks away."""

    def say(self, message: str) -> None:
        """Drop it."""

    def show(self, progress: Progress) -> None:
        """Drop it."""


class Person:
    """A Viewer that prints: on a terminal one line that is drawn again, else a line every few seconds."""

    def __init__(self, *, terminal: bool, timer: Callable[[], float] = time.monotonic) -> None:
        self._terminal: Final = terminal
        self._timer: Final = timer
        self._next = timer()
        self._drawn = False

    def say(self, message: str) -> None:
        """Print it on a line of its own."""
        if self._drawn:
            click.echo()
            self._drawn = False
        click.echo(message)

    def show(self, progress: Progress) -> None:
        """Print it, unless that was done just now; the end is always printed."""
        now = self._timer()
        if now < self._next and progress.share < 1:
            return
        self._next = now + (_TERMINAL_SECONDS if self._terminal else _LOG_SECONDS)
        if self._terminal:
            click.echo(f"\r\x1b[2K{draw(progress)}", nl=False, color=True)
            self._drawn = True
        else:
            click.echo(draw(progress))
