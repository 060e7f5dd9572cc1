"""Starts the node: its network, its processes in the order of their dependencies, its add-ons."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from embark_testing.cluster import node_commands
from embark_testing.cluster.binaries import built, ensure_built
from embark_testing.cluster.commands import run_for_output, succeeds
from embark_testing.cluster.go_modules import COREDNS, ETCD, KUBERNETES, METRICS_SERVER
from embark_testing.cluster.kubeconfigs import Kubectl, KubectlError
from embark_testing.cluster.node_cgroups import make_cgroups
from embark_testing.cluster.node_configs import build_configs
from embark_testing.cluster.node_images import load_own_images
from embark_testing.cluster.node_networks import make_network
from embark_testing.cluster.node_processes import await_answer, start
from embark_testing.cluster.node_remains import note_machine
from embark_testing.cluster.nodes import Node

ADDONS = Path(__file__).parent / "addons"
_KUBECONFIGS = ("super-admin", "controller-manager", "scheduler", "kubelet")


@dataclass(frozen=True)
class Programs:
    """The paths of the cluster's programs."""

    kubernetes: Path
    etcd: Path
    coredns: Path
    metrics_server: Path


def ensure_programs(environment: Mapping[str, str], report: Callable[[str], None]) -> Programs:
    """Return the paths of the programs; build those that the cache folder lacks."""
    return Programs(
        kubernetes=ensure_built(KUBERNETES, environment, report),
        etcd=ensure_built(ETCD, environment, report) / "etcd",
        coredns=ensure_built(COREDNS, environment, report) / "coredns",
        metrics_server=ensure_built(METRICS_SERVER, environment, report) / "metrics-server",
    )


def kubectl_in(node: Node) -> Kubectl:
    """Return kubectl for the node's cluster, inside its network namespace."""
    return Kubectl(built(KUBERNETES, os.environ) / "kubectl", node.kubeconfig, node.inside)


def bring_up(node: Node, programs: Programs, report: Callable[[str], None]) -> None:
    """Start the node and wait until pods can run on it; after a failure, take_down cleans up.

    Raises:
        ClusterError: a process did not start, or an add-on did not become ready.
    """
    kubectl = kubectl_in(node)
    for folder in (node.configs, node.logs, node.processes, node.configs / "cni", node.socket.parent):
        folder.mkdir(parents=True)
    note_machine(node)
    make_network(node)
    make_cgroups(node)
    for name, text in build_configs(node).items():
        (node.configs / name).write_text(text)
    report("starting etcd, the API server and its controllers …")
    _start_control_plane(node, programs, kubectl)
    report("starting containerd, the kubelet and kube-proxy …")
    _start_node(node, programs, kubectl)
    report("starting CoreDNS and metrics-server …")
    for addon in ("coredns", "metrics-server"):
        kubectl("apply", f"--filename={ADDONS / addon}.yaml")
    for addon in ("coredns", "metrics-server"):
        kubectl("rollout", "status", "--namespace=kube-system", f"deployment/{addon}", "--timeout=120s")


def _start_control_plane(node: Node, programs: Programs, kubectl: Kubectl) -> None:
    _kubeadm(node, programs, "certs", "all")
    for name in _KUBECONFIGS:
        _kubeadm(node, programs, "kubeconfig", name, f"--kubeconfig-dir={node.configs}")
    start(node, "etcd", node_commands.etcd(node, programs.etcd))
    start(node, "kube-apiserver", node_commands.api_server(node, programs.kubernetes))
    await_answer(node, "kube-apiserver", lambda: _answers(kubectl, "get", "--raw=/readyz") == "ok")
    # The API server presents a certificate of this group to kubelets; the group has no rights by default.
    group = "kubeadm:cluster-admins"
    kubectl("create", "clusterrolebinding", group, "--clusterrole=cluster-admin", f"--group={group}")
    start(node, "kube-controller-manager", node_commands.controller_manager(node, programs.kubernetes))
    start(node, "kube-scheduler", node_commands.scheduler(node, programs.kubernetes))


def _start_node(node: Node, programs: Programs, kubectl: Kubectl) -> None:
    start(node, "containerd", node_commands.containerd(node))
    await_answer(node, "containerd", lambda: succeeds("ctr", f"--address={node.socket}", "version"))
    load_own_images(node, programs.coredns, programs.metrics_server)
    start(node, "kubelet", node_commands.kubelet(node, programs.kubernetes))
    start(node, "kube-proxy", node_commands.kube_proxy(node, programs.kubernetes))
    ready = '-o=jsonpath={.status.conditions[?(@.type=="Ready")].status}'
    await_answer(node, "kubelet", lambda: _answers(kubectl, "get", "node", node.name, ready) == "True")
    # Created by the controller manager; pods that are applied before it exists are rejected.
    account = ("get", "serviceaccount", "default", "--output=name")
    await_answer(node, "kube-controller-manager", lambda: _answers(kubectl, *account) != "")


def _kubeadm(node: Node, programs: Programs, *phase: str) -> None:
    config = f"--config={node.configs}/kubeadm.yaml"
    command = [*node.inside, str(programs.kubernetes / "kubeadm"), "init", "phase", *phase, config]
    run_for_output(command)


def _answers(kubectl: Kubectl, *arguments: str) -> str:
    try:
        return kubectl(*arguments)
    except KubectlError:
        return ""
