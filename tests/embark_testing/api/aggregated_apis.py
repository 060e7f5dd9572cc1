"""Aggregated APIs, which another server than the API server serves."""

from typing import Any


def api_service(name: str, service: str, namespace: str) -> dict[str, Any]:
    """Return the APIService `name`, which is version.group, of a Service whose certificate is not verified."""
    version, _, group = name.partition(".")
    spec = {
        "group": group,
        "version": version,
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        "insecureSkipTLSVerify": True,
        "service": {"name": service, "namespace": namespace},
    }
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": name},
        "spec": spec,
    }
