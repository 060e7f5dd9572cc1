"""The pods of a component: security context, termination, mesh metadata and topology spread."""

import math
from collections.abc import Mapping
from typing import Any, Final

from embark_operator.manifests.children import Component
from embark_operator.manifests.containers import PRE_STOP_SECONDS, Process, build_container
from embark_operator.manifests.meshes import build_pod_mesh
from embark_operator.manifests.scheduling import build_scheduling
from embark_operator.manifests.volumes import build_volumes
from embark_operator.names import Manifest

# The images' user; as a number, because a kubelet cannot tell whether a name is root.
_USER: Final = 65532
# After the drain, to wait for the topic's acknowledgements and to close connections.
_CLOSE_SECONDS: Final = 15


def build_pod(
    component: Component, process: Process, account: str, config_map: str, pull_secrets: tuple[str, ...]
) -> Manifest:
    """Return the spec of a component's pods, restricted by the Pod Security Standards and without a token."""
    pod: dict[str, Any] = {
        "serviceAccountName": account,
        "automountServiceAccountToken": False,
        # Nothing reads the variables of other Services.
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": _grace_seconds(process),
        "containers": [build_container(component.title, process)],
        "volumes": build_volumes(config_map, process.mounts),
    }
    if pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in pull_secrets]
    return pod | build_scheduling(component)


def build_metadata(component: Component, annotations: Mapping[str, str] | None = None) -> Manifest:
    """Return the metadata of a component's pods: its labels, and what the cache's mesh requires."""
    mesh = build_pod_mesh(component.cache, component.title)
    metadata: Manifest = {"labels": component.labels | dict(mesh.labels)}
    merged = {**(annotations or {}), **mesh.annotations}
    return metadata | ({"annotations": merged} if merged else {})


def build_spread(component: Component) -> list[Manifest]:
    """Return the constraints that spread a component's pods over nodes if possible."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": component.selector},
            # Only pods of one revision count, not those that a rolling update is about to delete.
            "matchLabelKeys": ["pod-template-hash"],
        }
    ]


def _grace_seconds(process: Process) -> int:
    drain = math.ceil(process.listen.drain.total_seconds()) if process.listen else 0
    return drain + (PRE_STOP_SECONDS if process.serves_grpc else 0) + _CLOSE_SECONDS
