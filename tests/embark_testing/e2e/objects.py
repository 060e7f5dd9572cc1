"""The objects of e2e tests besides caches: a server of photographs and models, and a client pod."""

from typing import Any

import yaml

from embark_testing.caches import sample_text
from embark_testing.e2e.cluster import Kubernetes

Manifest = dict[str, Any]

POD_SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_SECURITY = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
SMALL = {"requests": {"cpu": "50m", "memory": "256Mi"}}


def photos_server(cluster: Kubernetes) -> list[Manifest]:
    """Return a Deployment and a Service that serve samples/photos and the sample models over HTTP."""
    labels = {"app": "samples"}
    container = {
        "name": "samples",
        "image": cluster.image("samples"),
        "ports": [{"containerPort": 8000}],
        "readinessProbe": {"tcpSocket": {"port": 8000}},
        "securityContext": CONTAINER_SECURITY,
    }
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "samples"},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"securityContext": POD_SECURITY, "containers": [container]},
                },
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "samples"},
            "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8000}]},
        },
    ]


def client_pod(cluster: Kubernetes, name: str = "client") -> list[Manifest]:
    """Return a pod that sleeps, for lookups by `kubectl exec`."""
    container = {
        "name": "client",
        "image": cluster.image("embark"),
        "command": ["python", "-c", "import signal; signal.pause()"],
        "securityContext": CONTAINER_SECURITY,
    }
    spec = {"securityContext": POD_SECURITY, "containers": [container], "terminationGracePeriodSeconds": 1}
    return [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}]


def keyspace_name(name: str) -> str:
    """Return the keyspace of the photos_cache of that name."""
    return name.replace("-", "_")


def photos_cache(name: str = "photos", **changes: dict[str, Any]) -> Manifest:
    """Return samples/photos.yaml for such a cluster: the model and the photographs come from the samples' server."""
    document: Manifest = yaml.safe_load(sample_text("photos"))
    digest = document["spec"]["encoder"]["model"]["digest"].replace(":", "-")
    in_cluster = {
        # Whatever network the cluster's pods use.
        "fetch": {"schemes": ["http"], "allowedPrivateNetworks": ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]},
        "model": {"uri": f"http://samples/models/{digest}.onnx"},
    }
    small: dict[str, dict[str, Any]] = {
        "embark": {"replicas": 2, "resources": SMALL, "readTimeout": "1s", "hotTier": {"maxBytes": "32Mi"}},
        "kfc": {"replicas": 1, "resources": SMALL},
        "retina": {"replicas": 1, "resources": SMALL},
        "store": {"cassandra": {"keyspace": keyspace_name(name)}},
    }
    sections: dict[str, dict[str, Any]] = {"encoder": in_cluster}
    for extra in (small, changes):
        for section, values in extra.items():
            before = sections.get(section, {})
            # The API server allows only one of replicas and autoscaling.
            kept = {name: before[name] for name in before if name != "replicas" or "autoscaling" not in values}
            sections[section] = kept | values
    merged: Manifest = yaml.safe_load(sample_text("photos", **sections))
    merged["metadata"] = {"name": name}
    return merged
