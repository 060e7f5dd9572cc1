"""A Python process that a test reads lines from and then kills, as a machine would: without a chance to tidy up."""

import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def child(code: str, *arguments: object) -> Iterator[tuple[subprocess.Popen[str], Iterator[str]]]:
    """Run `code` in a process of its own; yields it and its lines of output, kills it with SIGKILL at the end."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, (line.rstrip("\n") for line in process.stdout)
        finally:
            process.send_signal(signal.SIGKILL)
