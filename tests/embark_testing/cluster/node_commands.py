"""The command lines of the node's processes, from the node."""

from collections.abc import Sequence
from pathlib import Path

from embark_testing.cluster.nodes import Node


def etcd(node: Node, program: Path) -> Sequence[str]:
    return [
        str(program),
        f"--data-dir={node.root}/etcd",
        f"--listen-client-urls={node.etcd_url}",
        f"--advertise-client-urls={node.etcd_url}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def api_server(node: Node, programs: Path) -> Sequence[str]:
    certificates = node.certificates
    return [
        str(programs / "kube-apiserver"),
        f"--etcd-servers={node.etcd_url}",
        f"--advertise-address={node.ip}",
        "--secure-port=6443",
        f"--service-cluster-ip-range={node.services}",
        f"--client-ca-file={certificates}/ca.crt",
        f"--tls-cert-file={certificates}/apiserver.crt",
        f"--tls-private-key-file={certificates}/apiserver.key",
        f"--kubelet-client-certificate={certificates}/apiserver-kubelet-client.crt",
        f"--kubelet-client-key={certificates}/apiserver-kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={certificates}/sa.pub",
        f"--service-account-signing-key-file={certificates}/sa.key",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        # How metrics-server, an API server behind this one, authenticates its callers.
        f"--requestheader-client-ca-file={certificates}/front-proxy-ca.crt",
        f"--proxy-client-cert-file={certificates}/front-proxy-client.crt",
        f"--proxy-client-key-file={certificates}/front-proxy-client.key",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        "--enable-aggregator-routing=true",
    ]


def controller_manager(node: Node, programs: Path) -> Sequence[str]:
    certificates, kubeconfig = node.certificates, node.configs / "controller-manager.conf"
    return [
        str(programs / "kube-controller-manager"),
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--cluster-cidr={node.pods}",
        "--allocate-node-cidrs=true",
        f"--service-cluster-ip-range={node.services}",
        f"--root-ca-file={certificates}/ca.crt",
        f"--service-account-private-key-file={certificates}/sa.key",
        "--use-service-account-credentials=true",
        f"--cluster-signing-cert-file={certificates}/ca.crt",
        f"--cluster-signing-key-file={certificates}/ca.key",
        "--leader-elect=false",
        # Three times as often as by default: tests wait for it.
        "--horizontal-pod-autoscaler-sync-period=5s",
    ]


def scheduler(node: Node, programs: Path) -> Sequence[str]:
    return [
        str(programs / "kube-scheduler"),
        f"--kubeconfig={node.configs}/scheduler.conf",
        "--leader-elect=false",
    ]


def containerd(node: Node) -> Sequence[str]:
    return ["containerd", f"--config={node.configs}/containerd.toml"]


def kubelet(node: Node, programs: Path) -> Sequence[str]:
    return [
        str(programs / "kubelet"),
        f"--config={node.configs}/kubelet.yaml",
        f"--kubeconfig={node.configs}/kubelet.conf",
        f"--root-dir={node.root}/kubelet",
        f"--hostname-override={node.name}",
        f"--node-ip={node.ip}",
    ]


def kube_proxy(node: Node, programs: Path) -> Sequence[str]:
    return [str(programs / "kube-proxy"), f"--config={node.configs}/kube-proxy.yaml"]
