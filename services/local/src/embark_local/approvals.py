"""Asks a person at a terminal whether to re-embed, in a way that a signal ends."""

import select
from typing import Final, TextIO

import click

from embark.signals import Stopping

_STEP_SECONDS: Final = 0.1


def confirm(question: str, answers: TextIO, stopping: Stopping) -> bool:
    """Print the question and return whether a line of `answers` says yes; no, where the process stops meanwhile.

    Unlike click.confirm, which reads on through a signal that is caught.
    """
    click.echo(f"{question} [y/N]: ", nl=False)
    while not select.select([answers], [], [], 0)[0]:
        if stopping.wait(_STEP_SECONDS):
            click.echo()
            return False
    return answers.readline().strip().lower() in {"y", "yes"}
