"""Starts a real Kubernetes of one node on this machine: `make cluster`."""

import os
import sys

from embark_testing.cluster.commands import ClusterError
from embark_testing.cluster.debian_packages import CLUSTER, ensure_installed
from embark_testing.cluster.node_down import take_down
from embark_testing.cluster.node_processes import find
from embark_testing.cluster.node_up import bring_up, ensure_programs, kubectl_in
from embark_testing.cluster.nodes import Node


def report(line: str) -> None:
    """Print a step."""
    print(line, flush=True)


def is_up(node: Node) -> bool:
    """Return whether the node's API server runs."""
    server = find(node, "kube-apiserver")
    return server is not None and server.is_alive()


def start_cluster(node: Node) -> None:
    """Start the node's cluster unless it runs; take it down again if it cannot be started."""
    ensure_installed(CLUSTER, os.environ, report)
    programs = ensure_programs(os.environ, report)
    if is_up(node):
        report("A cluster is already running.")
        return
    if node.root.exists():
        report(f"removing the remains of a cluster in {node.root} …")
        take_down(node)
    try:
        bring_up(node, programs, report)
    except BaseException:
        take_down(node)
        raise
    report("The cluster is ready.")


def main() -> int:
    """Start the cluster and print how to use it; return the exit status."""
    if os.geteuid():
        print("error: the cluster makes namespaces and mounts, which only root may", file=sys.stderr)
        return 1
    node = Node()
    try:
        start_cluster(node)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"kubeconfig  {node.kubeconfig}")
    print(f"kubectl     {' '.join(map(str, kubectl_in(node).command))}")
    print(f"a shell     {' '.join(node.inside)} env KUBECONFIG={node.kubeconfig} $SHELL")
    print(f"logs        {node.logs}")
    print("stop        make cluster-down")
    return 0


if __name__ == "__main__":
    sys.exit(main())
