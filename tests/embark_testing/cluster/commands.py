"""Run programs; every failure is a ClusterError, which the user can fix."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

_SHOWN = 4000


class ClusterError(Exception):
    """A cluster, or an image for it, could not be created; the message says why and, if known, what to do."""


class CommandFailedError(ClusterError):
    """A program failed; the message has the end of its output."""


def run_for_output(
    command: Sequence[str],
    *,
    stdin: str = "",
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    error: type[CommandFailedError] = CommandFailedError,
) -> str:
    """Run a program and return its standard output.

    Raises:
        CommandFailedError: its exit status was not 0; raised as `error`.
    """
    ran = subprocess.run(command, input=stdin, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode:
        output = (ran.stderr.strip() or ran.stdout.strip())[-_SHOWN:]
        raise error(f"`{' '.join(command)}` ended with {ran.returncode}: {output}")
    return ran.stdout


def succeeds(*command: str) -> bool:
    """Run a program and return whether its exit status was 0."""
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
