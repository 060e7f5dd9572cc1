"""The configuration files of the node's parts, from the node."""

import json
from collections.abc import Mapping
from typing import Any

import yaml

from embark_testing.cluster.go_modules import KUBERNETES_VERSION
from embark_testing.cluster.nodes import Node

PAUSE_IMAGE = "localhost/pause:dev"
CNI_NETWORK = "embark-cluster"


def build_configs(node: Node) -> Mapping[str, str]:
    """Return the text of each file by its path below the node's folder of configuration."""
    return {
        "kubeadm.yaml": yaml.safe_dump_all(_kubeadm(node)),
        "containerd.toml": _containerd(node),
        "cni/10-pods.conflist": json.dumps(_cni(node)),
        "kubelet.yaml": yaml.safe_dump(_kubelet(node)),
        "kube-proxy.yaml": yaml.safe_dump(_kube_proxy(node)),
        # For pods whose dnsPolicy is Default, such as CoreDNS; nothing answers there.
        "resolv.conf": f"nameserver {node.ip}\n",
    }


def _kubeadm(node: Node) -> list[dict[str, Any]]:
    version = "kubeadm.k8s.io/v1beta4"
    return [
        {
            "apiVersion": version,
            "kind": "InitConfiguration",
            "localAPIEndpoint": {"advertiseAddress": node.ip, "bindPort": 6443},
            "nodeRegistration": {"name": node.name},
        },
        {
            "apiVersion": version,
            "kind": "ClusterConfiguration",
            "kubernetesVersion": KUBERNETES_VERSION,
            "certificatesDir": str(node.certificates),
            "networking": {"serviceSubnet": node.services, "podSubnet": node.pods},
            "etcd": {"external": {"endpoints": [node.etcd_url]}},
        },
    ]


def _containerd(node: Node) -> str:
    # restrict_oom_score_adj: runc may not lower a score below its own where the machine forbids it, and would fail
    # with "can't get final child's PID". netns_mounts_under_state_dir keeps the pods' namespaces apart from others'.
    return f"""version = 2
root = "{node.root}/containerd/root"
state = "{node.root}/containerd/state"
[grpc]
  address = "{node.socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{node.root}/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{node.configs}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
"""


def _cni(node: Node) -> dict[str, Any]:
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": node.pods_of_node}]],
        "dataDir": f"{node.root}/cni",
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": True,
        "hairpinMode": True,
        "ipam": addresses,
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": CNI_NETWORK, "plugins": [bridge, ports]}


def _kubelet(node: Node) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{node.namespace}",
        "failSwapOn": False,
        "clusterDNS": [node.dns],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{node.socket}",
        "resolvConf": f"{node.configs}/resolv.conf",
        "podLogsDir": f"{node.logs}/pods",
        "volumePluginDir": f"{node.root}/kubelet-plugins",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{node.certificates}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        # The whole machine shares the disk: other data on it must not evict pods or remove images.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "maxPods": 250,
        "syncFrequency": "10s",
    }


def _kube_proxy(node: Node) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clusterCIDR": node.pods,
        "hostnameOverride": node.name,
        "clientConnection": {"kubeconfig": str(node.kubeconfig)},
        # 0 leaves the machine's own limits of connection tracking as they are.
        "conntrack": {"maxPerCore": 0},
    }
