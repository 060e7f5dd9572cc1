"""Runs a command against a cluster: `make e2e` runs the tests with it.

The cluster is the one of KUBECONFIG, one of kind, or our own. The latter two get the images of the working tree. A
cluster that this started is taken down at the end, unless --keep is given. The environment of the command has

KUBECONFIG      the cluster; it runs in the network namespace where that answers
EMBARK_IMAGES   what the names of the project's images begin with
EMBARK_TAG      their tag
EMBARK_BACKENDS what the names of Cassandra's and Kafka's images begin with; unset where the chart's own can be pulled
PATH            with kubectl and helm
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from embark_testing.cluster.binaries import ensure_built
from embark_testing.cluster.choose import Choice, choose_cluster
from embark_testing.cluster.commands import ClusterError
from embark_testing.cluster.go_modules import HELM, KUBERNETES
from embark_testing.cluster.image_builders import docker_answers
from embark_testing.cluster.images import PREFIX, ROOT, image_tag
from embark_testing.cluster.images import report as report_line
from embark_testing.cluster.kind_cluster import bring_up_kind, load_into_kind, remove_kind
from embark_testing.cluster.node_down import take_down
from embark_testing.cluster.node_images import load_images
from embark_testing.cluster.nodes import Node
from embark_testing.cluster.up import is_up, start_cluster

ARCHIVES = ROOT / "out" / "images"


@dataclass(frozen=True)
class Access:
    """How a command reaches the cluster: its prefix, and additions to its environment."""

    prefix: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def cluster(choice: Choice, *, keep: bool) -> Iterator[Access]:
    """Yield access to the chosen cluster; one that is created here has the images of the working tree."""
    if choice is Choice.GIVEN:
        yield Access(environment=_with_path(_helm()))
    elif choice is Choice.KIND:
        kubeconfig = bring_up_kind(os.environ, report_line)
        try:
            load_into_kind(_build_archives())
            yield Access(environment={"KUBECONFIG": str(kubeconfig), **_images(), **_with_path(_helm())})
        finally:
            if not keep:
                remove_kind()
    else:
        with _own_cluster(keep=keep) as access:
            yield access


@contextmanager
def _own_cluster(*, keep: bool) -> Iterator[Access]:
    node = Node()
    was_up = is_up(node)
    programs = [ensure_built(KUBERNETES, os.environ, report_line), ensure_built(HELM, os.environ, report_line)]
    archives = _build_archives()
    start_cluster(node)
    try:
        report_line("loading the images …")
        load_images(node, archives)
        backends = {"EMBARK_BACKENDS": PREFIX}
        kubeconfig = {"KUBECONFIG": str(node.kubeconfig)}
        yield Access(node.inside, {**kubeconfig, **_images(), **backends, **_with_path(programs)})
    finally:
        if not (keep or was_up):
            take_down(node)


def _build_archives() -> list[Path]:
    shutil.rmtree(ARCHIVES, ignore_errors=True)
    command = [sys.executable, "-m", "embark_testing.cluster.images", "--e2e", f"--save={ARCHIVES}"]
    if subprocess.run(command, check=False).returncode:
        raise ClusterError("the images could not be built")
    return sorted(ARCHIVES.glob("*.tar"))


def _images() -> Mapping[str, str]:
    return {"EMBARK_IMAGES": PREFIX, "EMBARK_TAG": image_tag()}


def _helm() -> list[Path]:
    return [] if shutil.which("helm") else [ensure_built(HELM, os.environ, report_line)]


def _with_path(folders: Sequence[Path]) -> Mapping[str, str]:
    return {"PATH": os.pathsep.join([*map(str, folders), os.environ["PATH"]])}


def main() -> int:
    """Run the command of the command line; return its exit status."""
    parser = argparse.ArgumentParser(description="Run a command against a cluster.")
    parser.add_argument("--keep", action="store_true", help="leave a cluster that was started here running")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    command = [part for part in args.command if part != "--"]
    try:
        choice = choose_cluster(
            os.environ,
            has_kind=shutil.which("kind") is not None,
            docker_answers=docker_answers(),
            is_root=os.geteuid() == 0,
        )
        report_line(f"Running in {choice.value}.")
        with cluster(choice, keep=args.keep) as access:
            environment = {**os.environ, **access.environment}
            return subprocess.run([*access.prefix, *command], env=environment, check=False).returncode
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
