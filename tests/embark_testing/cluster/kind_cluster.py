"""A kind cluster in Docker, for machines that have both: `make kind` and `make e2e` create one.

kind includes CoreDNS. metrics-server is built from its Go module, loaded and applied, as on our own node.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from embark_testing.cluster.binaries import ensure_built
from embark_testing.cluster.commands import ClusterError, run_for_output
from embark_testing.cluster.go_modules import METRICS_SERVER
from embark_testing.cluster.kubeconfigs import Kubectl
from embark_testing.cluster.node_up import ADDONS
from embark_testing.cluster.program_images import write_image
from samples.models.cache_folder import default_folder

NAME = "embark"
_CONFIG = Path(__file__).with_name("kind.yaml")


def bring_up_kind(environment: Mapping[str, str], report: Callable[[str], None]) -> Path:
    """Create the kind cluster unless it exists, and return the path of its kubeconfig.

    Raises:
        ClusterError: kind failed, or metrics-server could not be built or applied.
    """
    kubeconfig = default_folder(environment) / "kind" / "kubeconfig"
    kubeconfig.parent.mkdir(parents=True, exist_ok=True)
    if NAME in _kind("get", "clusters").split():
        _kind("export", "kubeconfig", f"--name={NAME}", f"--kubeconfig={kubeconfig}")
        return kubeconfig
    report("creating a kind cluster …")
    _kind("create", "cluster", f"--config={_CONFIG}", f"--kubeconfig={kubeconfig}", "--wait=180s")
    program = ensure_built(METRICS_SERVER, environment, report) / "metrics-server"
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "metrics-server.tar"
        load_into_kind([write_image(program, [], "localhost/metrics-server:dev", archive)])
    Kubectl(Path("kubectl"), kubeconfig)("apply", f"--filename={ADDONS / 'metrics-server'}.yaml")
    return kubeconfig


def load_into_kind(archives: Iterable[Path]) -> None:
    """Load archives of images into the cluster's node.

    Raises:
        CommandFailedError: kind failed.
    """
    for archive in archives:
        _kind("load", "image-archive", str(archive), f"--name={NAME}")


def remove_kind() -> None:
    """Delete the cluster.

    Raises:
        CommandFailedError: kind failed.
    """
    _kind("delete", "cluster", f"--name={NAME}")


def _kind(*arguments: str) -> str:
    return run_for_output(["kind", *arguments])


def main() -> int:
    """Create the cluster and print how to use it; return the exit status."""
    try:
        kubeconfig = bring_up_kind(os.environ, lambda line: print(line, flush=True))
    except FileNotFoundError as error:
        print(
            f"error: {error.filename} is not installed; without Docker and kind, use `make cluster`",
            file=sys.stderr,
        )
        return 1
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"kubeconfig  {kubeconfig}")
    print(f"stop        kind delete cluster --name={NAME}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
