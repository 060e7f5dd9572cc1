"""Takes the node down, whatever state it is in, and leaves the machine as it was."""

import shutil

from embark_testing.cluster.node_cgroups import remove_cgroups
from embark_testing.cluster.node_networks import remove_network
from embark_testing.cluster.node_processes import end
from embark_testing.cluster.node_remains import end_shims, restore_machine, unmount_all
from embark_testing.cluster.nodes import Node

# The kubelet first: it would restart the others.
_ORDER = (
    "kubelet",
    "kube-proxy",
    "kube-scheduler",
    "kube-controller-manager",
    "containerd",
    "kube-apiserver",
    "etcd",
)


def take_down(node: Node) -> None:
    """Stop the node's processes and pods, and remove its network, mounts, control groups and folder.

    May be called again where it was cut short.

    Raises:
        ClusterError: a pod's processes did not go away, or a mount or the network.
    """
    for name in _ORDER:
        end(node, name)
    end_shims(node)
    remove_cgroups(node)
    unmount_all(node)
    remove_network(node)
    restore_machine(node)
    if node.root.exists():
        shutil.rmtree(node.root)
