"""A question to a person at a terminal that a signal interrupts."""

import select
from typing import Final, TextIO

import click

from embark.signals import Stopping

_STEP_SECONDS: Final = 0.1


def confirm(question: str, answers: TextIO, stopping: Stopping) -> bool:
    """Print the question and return whether the next line of `answers` is yes; no if the process is stopped first.

    click.confirm() keeps reading when a caught signal arrives.
    """
    click.echo(f"{question} [y/N]: ", nl=False)
    while not select.select([answers], [], [], 0)[0]:
        if stopping.wait(_STEP_SECONDS):
            click.echo()
            return False
    return answers.readline().strip().lower() in {"y", "yes"}
