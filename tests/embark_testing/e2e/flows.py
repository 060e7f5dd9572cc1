"""Whether a pod in a cluster reaches an address: kubectl exec tries a connection from inside it."""

from dataclasses import dataclass
from typing import Any

from embark_testing.e2e.cluster import Kubernetes

# Exits with 0 once connected. Policies drop packets, which takes the whole time, or reject them, which does not.
_CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3)"
_TELL = f"""
try:
    {_CONNECT}
except OSError:
    print("no")
else:
    print("yes")
"""
DENY_ALL: dict[str, Any] = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "deny-all"},
    "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
}


@dataclass(frozen=True)
class Place:
    """A pod, and the address on which it listens."""

    namespace: str
    name: str
    address: str


def find_address(cluster: Kubernetes, namespace: str, selector: str) -> Place:
    """Return a running pod that the label selector, or the field selector `metadata.name=…`, finds."""
    by = f"--field-selector={selector}" if selector.startswith("metadata.") else f"-l={selector}"
    pods = cluster.get(namespace, "pods", by)["items"]
    pod = next(
        pod for pod in pods if pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]
    )
    return Place(namespace, pod["metadata"]["name"], pod["status"]["podIP"])


def reaches(cluster: Kubernetes, source: Place, target: Place, port: int) -> bool:
    """Return whether one pod connects to another within three seconds."""
    inside = ["python", "-c", _TELL, target.address, str(port)]
    report = cluster.kubectl("exec", f"-n={source.namespace}", source.name, "--", *inside).strip()
    assert report in ("yes", "no"), report
    return report == "yes"
