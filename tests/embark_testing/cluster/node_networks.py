"""The node's network namespace: a bridge with the node's address, and no way out; up and down use it."""

from pathlib import Path

from embark_testing.cluster.commands import run_for_output
from embark_testing.cluster.nodes import Node


def make_network(node: Node) -> None:
    """Make the namespace, its bridge and its routes."""
    # A bridge holds its link up without a peer; a dummy device is not everywhere.
    # The route makes the API server and the kubelet find an address of their own.
    run_for_output(["ip", "netns", "add", node.namespace])
    for command in (
        "link set lo up",
        "link add node0 type bridge",
        f"addr add {node.ip}/16 dev node0",
        "link set node0 up",
        "route add default dev node0",
    ):
        run_for_output(["ip", "-n", node.namespace, *command.split()])
    # Pods of one bridge reach each other through a service only when its frames pass iptables.
    if not Path("/proc/sys/net/bridge").exists():
        run_for_output(["modprobe", "br_netfilter"])
    settings = ("net.ipv4.ip_forward=1", "net.bridge.bridge-nf-call-iptables=1", "net.ipv4.conf.all.route_localnet=1")
    run_for_output([*node.inside, "sysctl", "-qw", *settings])


def remove_network(node: Node) -> None:
    """Remove the namespace, with all that is in it."""
    if Path(f"/run/netns/{node.namespace}").exists():
        run_for_output(["ip", "netns", "del", node.namespace])
