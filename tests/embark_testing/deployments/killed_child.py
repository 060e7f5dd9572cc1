"""A Python process whose output a test reads before it kills the process without a chance to clean up."""

import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def child(code: str, *arguments: object) -> Iterator[tuple[subprocess.Popen[str], Iterator[str]]]:
    """Run `code` in a new process; yield the process and its lines of output, and send SIGKILL at the end."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, (line.rstrip("\n") for line in process.stdout)
        finally:
            process.send_signal(signal.SIGKILL)
