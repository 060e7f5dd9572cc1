"""Images in the node's containerd: its own, and archives of the project's images."""

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from embark_testing.cluster.commands import run_for_output
from embark_testing.cluster.nodes import Node
from embark_testing.cluster.program_images import write_image


def load_images(node: Node, archives: Iterable[Path]) -> None:
    """Load archives (OCI or Docker format) into the node, where pods find the images by the names in the archives.

    Raises:
        CommandFailedError: containerd did not take one.
    """
    for archive in archives:
        command = ["ctr", f"--address={node.socket}", "--namespace=k8s.io", "images", "import", str(archive)]
        run_for_output(command)


def load_own_images(node: Node, coredns: Path, metrics_server: Path) -> None:
    """Load the node's own images: the pause container of every pod, CoreDNS and metrics-server."""
    catatonit = Path(shutil.which("catatonit") or "")
    with tempfile.TemporaryDirectory(dir=node.root) as folder:
        archives = [
            write_image(program, arguments, f"localhost/{name}:dev", Path(folder) / f"{name}.tar")
            for name, program, arguments in (
                ("pause", catatonit, ["-P"]),
                ("coredns", coredns, []),
                ("metrics-server", metrics_server, []),
            )
        ]
        load_images(node, archives)
