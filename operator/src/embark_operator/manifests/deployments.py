"""The Deployment of a component: one for EmbArk, and one for the KFC and the Retina of each space."""

from typing import Any, Final

from embark_operator.manifests.children import Component, build_child
from embark_operator.manifests.config_maps import SETTINGS_HASH
from embark_operator.manifests.containers import Process
from embark_operator.manifests.pods import build_metadata, build_pod, build_spread
from embark_operator.names import Manifest
from embark_operator.options import Images

# Kubernetes' default, on top of the time that the pods may take to start.
_PROGRESS_SECONDS: Final = 600
_REVISIONS: Final = 3


def build_deployment(
    component: Component,
    process: Process,
    images: Images,
    *,
    settings_hash: str,
    replicas: int | None,
) -> Manifest:
    """Return the Deployment; with `replicas` None, an autoscaler sets their number."""
    pod = build_pod(component, process, component.name, component.name, images.pull_secrets)
    pod["topologySpreadConstraints"] = build_spread(component)
    spec: dict[str, Any] = {
        "selector": {"matchLabels": component.selector},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        "revisionHistoryLimit": _REVISIONS,
        "progressDeadlineSeconds": _PROGRESS_SECONDS + process.startup_seconds,
        "template": {"metadata": build_metadata(component, {SETTINGS_HASH: settings_hash}), "spec": pod},
    }
    if replicas is not None:
        spec["replicas"] = replicas
    return build_child(component, "apps/v1", "Deployment", {"spec": spec})
