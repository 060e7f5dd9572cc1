"""Runs tests/e2e/lag_adapter.py in a cluster, so that autoscalers find KFC's lag, and removes it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from embark_testing.api.aggregated_apis import api_service
from embark_testing.e2e.caches import SCRIPTS
from embark_testing.e2e.cluster import Kubernetes
from embark_testing.e2e.objects import CONTAINER_SECURITY, POD_SECURITY
from embark_testing.servers.authorities import Authority

_NAME = "lag-adapter"
_METADATA = {"name": _NAME}
_LABELS = {"app": _NAME}
_PORT = 8443
_API_SERVICE = "v1beta1.external.metrics.k8s.io"


@contextmanager
def lag_adapter(cluster: Kubernetes, namespace: str, folder: Path) -> Iterator[None]:
    """Serve KFC's lag as an external metric until the block ends; `folder` gets the server's certificate."""
    try:
        cluster.apply(
            namespace, *_rights(namespace), *_server(cluster, folder), api_service(_API_SERVICE, _NAME, namespace)
        )
        cluster.kubectl("wait", "--for=condition=Available", f"apiservice/{_API_SERVICE}", "--timeout=120s")
        yield
    finally:
        remove_lag_adapter(cluster, namespace)


def remove_lag_adapter(cluster: Kubernetes, namespace: str) -> None:
    """Remove the API, and then its server: in the other order no namespace could be deleted."""
    cluster.kubectl("delete", "apiservice", _API_SERVICE, "--ignore-not-found")
    kinds = "pod,service,secret,rolebinding,role,serviceaccount"
    cluster.kubectl("delete", f"-n={namespace}", kinds, f"-l=app={_NAME}", "--wait=false")


def serves_external_metrics(cluster: Kubernetes) -> bool:
    """Return whether any server serves external metrics."""
    found = json.loads(cluster.kubectl("get", "apiservices", "-o=json"))["items"]
    return any(service["metadata"]["name"] == _API_SERVICE for service in found)


def _rights(namespace: str) -> list[dict[str, Any]]:
    group = "rbac.authorization.k8s.io"
    metadata = _METADATA | {"labels": _LABELS}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {
            "apiVersion": f"{group}/v1",
            "kind": "Role",
            "metadata": metadata,
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}],
        },
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": _NAME},
            "subjects": [{"kind": "ServiceAccount", "name": _NAME, "namespace": namespace}],
        },
    ]


def _server(cluster: Kubernetes, folder: Path) -> list[dict[str, Any]]:
    issued = Authority(folder).issue(_NAME)
    pems = {name: (issued / name).read_text() for name in ("tls.crt", "tls.key")}
    metadata = _METADATA | {"labels": _LABELS}
    container = {
        "name": "adapter",
        "image": cluster.image("embark"),
        "command": ["python", "-c", (SCRIPTS / "lag_adapter.py").read_text()],
        "ports": [{"containerPort": _PORT}],
        "readinessProbe": {"tcpSocket": {"port": _PORT}, "periodSeconds": 1},
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [{"name": "tls", "mountPath": "/tls", "readOnly": True}],
    }
    pod = {
        "serviceAccountName": _NAME,
        "securityContext": POD_SECURITY,
        "containers": [container],
        "volumes": [{"name": "tls", "secret": {"secretName": _NAME}}],
        "terminationGracePeriodSeconds": 1,
    }
    port = {"port": 443, "targetPort": _PORT}
    return [
        {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": pems},
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod},
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"selector": _LABELS, "ports": [port]}},
    ]
