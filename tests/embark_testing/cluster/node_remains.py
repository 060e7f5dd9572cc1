"""What a node would leave on its machine besides its folder: recorded when it starts, undone when it stops."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from embark_testing.cluster.commands import run_for_output
from embark_testing.cluster.node_configs import CNI_NETWORK
from embark_testing.cluster.nodes import Node

# The kubelet sets these for the whole machine.
_KERNEL_SETTINGS = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
# Folders that parts create whatever their options.
_FOLDERS = tuple(
    map(Path, ("/run/containerd", "/var/lib/cni", "/var/lib/kubelet", "/var/log/containers", "/var/log/pods"))
)
_SYSCTLS = Path("/proc/sys")


def note_machine(node: Node) -> None:
    """Record the state of the machine that is to be restored."""
    settings = {name: (_SYSCTLS / name).read_text().strip() for name in _KERNEL_SETTINGS if (_SYSCTLS / name).exists()}
    absent = [str(folder) for folder in _FOLDERS if not folder.exists()]
    (node.root / "machine.json").write_text(json.dumps({"settings": settings, "absent": absent}))


def restore_machine(node: Node) -> None:
    """Restore the state that `note_machine` recorded; the node's processes must have ended."""
    with suppress(FileNotFoundError):
        noted = json.loads((node.root / "machine.json").read_text())
        for name, value in noted["settings"].items():
            (_SYSCTLS / name).write_text(value)
        for folder in noted["absent"]:
            shutil.rmtree(folder, ignore_errors=True)
    for result in Path("/var/lib/cni/cache/results").glob(f"{CNI_NETWORK}-*"):
        result.unlink(missing_ok=True)
    for link in Path("/var/log/containers").glob("*"):
        if link.is_symlink() and node.root in link.readlink().parents:
            link.unlink(missing_ok=True)


def end_shims(node: Node) -> None:
    """Kill the shims of containerd, one per pod: they outlive it, so that it can be restarted under running pods."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            if f"\0{node.socket}\0".encode() in (process / "cmdline").read_bytes():
                os.kill(int(process.name), signal.SIGKILL)


def unmount_all(node: Node) -> None:
    """Unmount everything below the node's folder, innermost first."""
    for path in reversed(list(_mounts(node))):
        # Lazily: a process that has just ended may still hold it for a moment.
        run_for_output(["umount", "--lazy", str(path)])


def _mounts(node: Node) -> Iterator[Path]:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        path = Path(line.split()[4].encode().decode("unicode_escape"))  # a space is \040
        if node.root in path.parents:
            yield path
