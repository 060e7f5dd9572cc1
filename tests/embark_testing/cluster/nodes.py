"""The one node of the cluster: its network namespace, addresses, and the paths of its files."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Node:
    """The node's paths and addresses; all files are in `root`, and no address leaves the network namespace."""

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
        """The prefix of a command that runs in the network namespace.

        Not `ip netns exec`: it mounts a /sys of its own, and the kubelet then finds no cgroups.
        """
        return ("nsenter", f"--net=/run/netns/{self.namespace}", "--")

    @property
    def certificates(self) -> Path:
        """The folder of the certificates that kubeadm writes."""
        return self.root / "certificates"

    @property
    def configs(self) -> Path:
        """Configuration files and kubeconfigs."""
        return self.root / "configs"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig; kubeadm's admin.conf has no rights until a role is bound to its group."""
        return self.configs / "super-admin.conf"

    @property
    def socket(self) -> Path:
        """The socket of containerd."""
        return self.root / "containerd" / "socket"

    @property
    def logs(self) -> Path:
        """The folder with the logs of the processes and of the pods."""
        return self.root / "logs"

    @property
    def processes(self) -> Path:
        """The folder with a file for each started process."""
        return self.root / "processes"

    @property
    def etcd_url(self) -> str:
        """The URL of etcd."""
        return "http://127.0.0.1:2379"
