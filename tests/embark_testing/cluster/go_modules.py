"""The parts of a cluster: the Go modules, their versions, and their commands."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

KUBERNETES_VERSION: Final = "v1.34.4"
_VERSION_PACKAGE: Final = "k8s.io/component-base/version"
_MAJOR, _MINOR, _ = KUBERNETES_VERSION.removeprefix("v").split(".")


@dataclass(frozen=True)
class GoModule:
    """One module at one version, with the package of each of its commands by name."""

    name: str
    path: str
    version: str
    commands: Mapping[str, str]
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        """The name of its folder in the cache folder."""
        return f"{self.name}-{self.version}"


# Without these variables every part reports the version v0.0.0-master, which kubeadm and kubectl reject.
_KUBERNETES_VARIABLES: Final = {
    f"{_VERSION_PACKAGE}.gitVersion": KUBERNETES_VERSION,
    f"{_VERSION_PACKAGE}.gitMajor": _MAJOR,
    f"{_VERSION_PACKAGE}.gitMinor": _MINOR,
}
_KUBERNETES_COMMANDS: Final = (
    "kube-apiserver",
    "kubectl",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kubeadm",
)

ETCD: Final = GoModule("etcd", "go.etcd.io/etcd/server/v3", "v3.6.4", {"etcd": "go.etcd.io/etcd/server/v3"})
KUBERNETES: Final = GoModule(
    "kubernetes",
    "k8s.io/kubernetes",
    KUBERNETES_VERSION,
    {command: f"k8s.io/kubernetes/cmd/{command}" for command in _KUBERNETES_COMMANDS},
    _KUBERNETES_VARIABLES,
)
COREDNS: Final = GoModule("coredns", "github.com/coredns/coredns", "v1.15.0", {"coredns": "github.com/coredns/coredns"})
METRICS_SERVER: Final = GoModule(
    "metrics-server",
    "sigs.k8s.io/metrics-server",
    "v0.9.0",
    {"metrics-server": "sigs.k8s.io/metrics-server/cmd/metrics-server"},
)
HELM: Final = GoModule("helm", "helm.sh/helm/v4", "v4.3.1", {"helm": "helm.sh/helm/v4/cmd/helm"})
CYCLONUS: Final = GoModule(
    "cyclonus",
    "github.com/mattfenwick/cyclonus",
    "v0.5.6",
    {"cyclonus": "github.com/mattfenwick/cyclonus/cmd/cyclonus"},
)

MODULES: Final = (ETCD, KUBERNETES, METRICS_SERVER, COREDNS, HELM, CYCLONUS)
