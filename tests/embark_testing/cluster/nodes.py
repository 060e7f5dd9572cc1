"""The one node of the cluster: its network namespace, addresses, and where everything of it lies."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Node:
    """Where the node keeps what it has; all of it lies in `root`, and no address leaves the network namespace."""

    root: Path = Path("/var/tmp/embark-cluster")  # noqa: S108 - not /tmp, which may be in memory; root makes it
    namespace: str = "embark-cluster"
    name: str = "node"
    ip: str = "10.123.0.1"
    pods: str = "10.124.0.0/16"
    pods_of_node: str = "10.124.0.0/24"
    services: str = "10.125.0.0/16"
    dns: str = "10.125.0.10"

    @property
    def inside(self) -> tuple[str, ...]:
        """What a command begins with to run in the network namespace.

        Not `ip netns exec`: it mounts a /sys of its own, and the kubelet then finds no cgroups.
        """
        return ("nsenter", f"--net=/run/netns/{self.namespace}", "--")

    @property
    def certificates(self) -> Path:
        """Where kubeadm writes them."""
        return self.root / "certificates"

    @property
    def configs(self) -> Path:
        """Configuration files and kubeconfigs."""
        return self.root / "configs"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's; kubeadm's other one, admin.conf, has no rights until a role is bound to its group."""
        return self.configs / "super-admin.conf"

    @property
    def socket(self) -> Path:
        """Where containerd answers."""
        return self.root / "containerd" / "socket"

    @property
    def logs(self) -> Path:
        """The log of each process, and those of the pods."""
        return self.root / "logs"

    @property
    def processes(self) -> Path:
        """A file for each process that was started."""
        return self.root / "processes"

    @property
    def etcd_url(self) -> str:
        """Where etcd answers."""
        return "http://127.0.0.1:2379"
