"""Run programs; every failure is a ClusterError, which the user can fix."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

_SHOWN = 4000


class ClusterError(Exception):
    """A cluster, or an image for it, could not be made; the message says why and, where known, what would help."""


class CommandFailedError(ClusterError):
    """A program ended with an error; the message has the end of its output."""


def run_for_output(
    command: Sequence[str],
    *,
    stdin: str = "",
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    error: type[CommandFailedError] = CommandFailedError,
) -> str:
    """Run a program to its end and return its standard output.

    Raises:
        CommandFailedError: or rather `error`: it ended with another status than 0.
    """
    ran = subprocess.run(command, input=stdin, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode:
        output = (ran.stderr.strip() or ran.stdout.strip())[-_SHOWN:]
        raise error(f"`{' '.join(command)}` ended with {ran.returncode}: {output}")
    return ran.stdout


def succeeds(*command: str) -> bool:
    """Run a program to its end and tell whether its status was 0."""
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
