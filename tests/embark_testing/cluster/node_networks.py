"""The node's network namespace: a bridge with the node's address, without a route to the outside."""

from pathlib import Path

from embark_testing.cluster.commands import run_for_output
from embark_testing.cluster.nodes import Node


def make_network(node: Node) -> None:
    """Create the namespace, its bridge and its routes."""
    # A bridge stays up without a peer; not every kernel has dummy devices.
    # With this route, the API server and the kubelet detect their own address.
    run_for_output(["ip", "netns", "add", node.namespace])
    for command in (
        "link set lo up",
        "link add node0 type bridge",
        f"addr add {node.ip}/16 dev node0",
        "link set node0 up",
        "route add default dev node0",
    ):
        run_for_output(["ip", "-n", node.namespace, *command.split()])
    # Pods on one bridge reach each other through a Service only if its frames pass iptables.
    if not Path("/proc/sys/net/bridge").exists():
        run_for_output(["modprobe", "br_netfilter"])
    settings = ("net.ipv4.ip_forward=1", "net.bridge.bridge-nf-call-iptables=1", "net.ipv4.conf.all.route_localnet=1")
    run_for_output([*node.inside, "sysctl", "-qw", *settings])


def remove_network(node: Node) -> None:
    """Remove the namespace and everything in it."""
    if Path(f"/run/netns/{node.namespace}").exists():
        run_for_output(["ip", "netns", "del", node.namespace])
