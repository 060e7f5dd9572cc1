"""The control group of all pods of the node: created before the kubelet starts, emptied and removed after it stops."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from embark_testing.cluster.commands import ClusterError
from embark_testing.cluster.nodes import Node

_ROOT = Path("/sys/fs/cgroup")
_STEP = 0.05
_SECONDS = 30.0


class StuckError(ClusterError):
    """The processes of a pod could not be killed."""


def make_cgroups(node: Node) -> None:
    """Create the group in every hierarchy; the kubelet requires it."""
    for hierarchy in _hierarchies():
        (hierarchy / node.namespace).mkdir(exist_ok=True)


def remove_cgroups(node: Node) -> None:
    """Kill the containers of pods, which run in the group, and remove the group.

    Raises:
        StuckError: something in it did not go away.
    """
    deadline = time.monotonic() + _SECONDS
    while groups := list(_groups(node)):
        for group in groups:
            for pid in _processes(group):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            # Busy until its last process is reaped; the next round removes it.
            with suppress(OSError):
                group.rmdir()
        if time.monotonic() > deadline:
            raise StuckError(f"control groups that cannot be removed: {', '.join(map(str, _groups(node)))}")
        time.sleep(_STEP)


def _hierarchies() -> list[Path]:
    if (_ROOT / "cgroup.controllers").exists():
        return [_ROOT]
    return [folder for folder in _ROOT.iterdir() if folder.is_dir() and not folder.is_symlink()]


def _groups(node: Node) -> Iterator[Path]:
    """Yield the groups, the inner ones first."""
    for hierarchy in _hierarchies():
        for folder, _, _ in os.walk(hierarchy / node.namespace, topdown=False):
            yield Path(folder)


def _processes(group: Path) -> list[int]:
    try:
        return [int(pid) for pid in (group / "cgroup.procs").read_text().split()]
    except (FileNotFoundError, OSError):  # a group that has just been removed
        return []
