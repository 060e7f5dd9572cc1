"""The control group that all pods of the node are in: made before the kubelet starts, emptied and removed after."""

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
    """A pod's processes did not go away."""


def make_cgroups(node: Node) -> None:
    """Make the group in every hierarchy; the kubelet asks that it is there."""
    for hierarchy in _hierarchies():
        (hierarchy / node.namespace).mkdir(exist_ok=True)


def remove_cgroups(node: Node) -> None:
    """Kill what runs in the group, which are the containers of pods, and remove it.

    Raises:
        StuckError: something in it did not go away.
    """
    deadline = time.monotonic() + _SECONDS
    while groups := list(_groups(node)):
        for group in groups:
            for pid in _processes(group):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            # Busy until the last of its processes is reaped: then the next round has it.
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
