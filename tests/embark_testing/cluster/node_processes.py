"""The node's processes: each has a log, and a file with its id, by which it is stopped."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from embark_testing.cluster.commands import ClusterError
from embark_testing.cluster.nodes import Node

_STEP = 0.05
_STOP_SECONDS = 15.0


class ProcessFailedError(ClusterError):
    """A process of the node failed; the message has the end of its log."""


@dataclass(frozen=True)
class Started:
    """A started process: its id may have been reused, but not its id together with its start time."""

    pid: int
    ticks: int

    def is_alive(self) -> bool:
        """Return whether it still runs."""
        return self.ticks != 0 and ticks_at_start(self.pid) == self.ticks

    def end(self) -> None:
        """Stop it with SIGTERM, and with SIGKILL if that takes too long; do nothing if it has ended."""
        for how in (signal.SIGTERM, signal.SIGKILL):
            # Only once: some of these exit immediately on a second SIGTERM.
            if self.is_alive():
                with suppress(ProcessLookupError):
                    os.kill(self.pid, how)
            deadline = time.monotonic() + _STOP_SECONDS
            while self.is_alive() and time.monotonic() < deadline:
                time.sleep(_STEP)


def start(node: Node, name: str, command: Sequence[str]) -> None:
    """Start a process in the node's network namespace; it outlives the caller."""
    log, file = node.logs / f"{name}.log", node.processes / name
    with log.open("a") as output:
        process = subprocess.Popen(
            [*node.inside, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=node.root,
            start_new_session=True,
        )
    file.write_text(f"{process.pid} {ticks_at_start(process.pid)}")


def end(node: Node, name: str) -> None:
    """Stop the process of this name, if it was started."""
    started = find(node, name)
    if started is not None:
        started.end()
        (node.processes / name).unlink()


def find(node: Node, name: str) -> Started | None:
    """Return the process of this name; None if it was not started."""
    try:
        pid, ticks = (node.processes / name).read_text().split()
    except FileNotFoundError:
        return None
    return Started(int(pid), int(ticks))


def await_answer(node: Node, name: str, answers: Callable[[], bool], seconds: float = 120.0) -> None:
    """Wait until `answers` holds.

    Raises:
        ProcessFailedError: the process `name` ended, or it took too long.
    """
    deadline = time.monotonic() + seconds
    while not answers():
        started = find(node, name)
        if started is None or not started.is_alive() or time.monotonic() > deadline:
            lines = (node.logs / f"{name}.log").read_text(errors="replace").splitlines()
            raise ProcessFailedError("\n".join([f"{name} ended, or did not answer in {seconds} s:", *lines[-40:]]))
        time.sleep(_STEP)


def ticks_at_start(pid: int) -> int:
    """Return when the process started, in ticks since boot; 0 if there is no such process or it is a zombie."""
    try:
        # The name of the program, in parentheses, may contain spaces; the fields after it start with the state.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if fields[0] == "Z" else int(fields[19])
