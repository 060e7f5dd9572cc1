"""The command lines of an API server without nodes, its etcd and kube-controller-manager."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
_SERVICES = "10.0.0.0/24"


@dataclass(frozen=True)
class Commands:
    """The shared parameters of the parts of one API server; each method returns the command line of a part."""

    etcd_program: Path
    programs: Path
    folder: Path
    key: Path
    kubeconfig: Path
    port: int
    etcd_port: int
    peer_port: int
    manager_port: int
    controllers: bool

    @property
    def authority(self) -> Path:
        """Where kube-apiserver writes its own certificate and that of the authority that signed it."""
        return self.folder / "certificates" / "apiserver.crt"

    def etcd(self) -> Sequence[str]:
        client, peer = f"http://{HOST}:{self.etcd_port}", f"http://{HOST}:{self.peer_port}"
        return [
            str(self.etcd_program),
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ]

    def server(self) -> Sequence[str]:
        return [
            str(self.programs / "kube-apiserver"),
            f"--etcd-servers=http://{HOST}:{self.etcd_port}",
            f"--bind-address={HOST}",
            f"--advertise-address={HOST}",
            f"--secure-port={self.port}",
            f"--cert-dir={self.authority.parent}",
            f"--token-auth-file={self.folder / 'users.csv'}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self.key}",
            f"--service-account-signing-key-file={self.key}",
            f"--service-cluster-ip-range={_SERVICES}",
            # A loopback address cannot be the endpoint of the Service `kubernetes`, and no pod needs one.
            "--endpoint-reconciler-type=none",
            # Without kube-controller-manager no namespace gets the account that this plugin requires for every pod.
            *([] if self.controllers else ["--disable-admission-plugins=ServiceAccount"]),
            "--allow-privileged=true",
        ]

    def manager(self) -> Sequence[str]:
        return [
            str(self.programs / "kube-controller-manager"),
            f"--kubeconfig={self.kubeconfig}",
            f"--bind-address={HOST}",
            f"--secure-port={self.manager_port}",
            f"--cert-dir={self.folder / 'controllers'}",
            f"--service-account-private-key-file={self.key}",
            f"--root-ca-file={self.authority}",
            "--leader-elect=false",
        ]
