"""How many pods a component has: HorizontalPodAutoscalers and PodDisruptionBudgets."""

import copy
from dataclasses import dataclass
from typing import Final

from embark.spec.serving import CpuAutoscaling
from embark_operator.manifests.children import Component, build_child
from embark_operator.names import Manifest

KFC_TARGET_CPU: Final = 80
"""Percent of the request, where KFC cannot be scaled by lag."""
# Load comes at once and goes slowly: doubled every quarter of a minute, or by four pods where that is more; halved
# at most once a minute, after five minutes in which fewer would have done.
BEHAVIOR: Final = {
    "scaleUp": {
        "stabilizationWindowSeconds": 0,
        "selectPolicy": "Max",
        "policies": [
            {"type": "Percent", "value": 100, "periodSeconds": 15},
            {"type": "Pods", "value": 4, "periodSeconds": 15},
        ],
    },
    "scaleDown": {
        "stabilizationWindowSeconds": 300,
        "selectPolicy": "Max",
        "policies": [{"type": "Percent", "value": 50, "periodSeconds": 60}],
    },
}


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many replicas an autoscaler may choose."""

    least: int
    most: int


def build_scaling(
    component: Component, replicas: int | None, autoscaling: CpuAutoscaling | None, *, disruptable: bool = False
) -> list[Manifest]:
    """Return the autoscaler, if there is one; and, unless `disruptable`, the budget of what can have two pods."""
    children = []
    if autoscaling:
        children.append(_by_cpu(component, autoscaling))
    most = autoscaling.max if autoscaling else replicas or 0
    if not disruptable and most > 1:
        children.append(build_disruption_budget(component))
    return children


def build_autoscaler(component: Component, bounds: Bounds, metric: Manifest) -> Manifest:
    """Return the HorizontalPodAutoscaler of a component's Deployment."""
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": component.name},
        "minReplicas": bounds.least,
        "maxReplicas": bounds.most,
        "metrics": [metric],
        "behavior": copy.deepcopy(BEHAVIOR),
    }
    return build_child(component, "autoscaling/v2", "HorizontalPodAutoscaler", {"spec": spec})


def _by_cpu(component: Component, autoscaling: CpuAutoscaling) -> Manifest:
    # Of the one container: what a mesh adds to the pod is no load of the component, and may have no request.
    cpu = {
        "name": "cpu",
        "container": component.title,
        "target": {"type": "Utilization", "averageUtilization": autoscaling.target_cpu},
    }
    metric = {"type": "ContainerResource", "containerResource": cpu}
    return build_autoscaler(component, Bounds(autoscaling.min, autoscaling.max), metric)


def build_disruption_budget(component: Component) -> Manifest:
    """Return what lets a node's drain take one pod of a component at a time."""
    spec = {
        "selector": {"matchLabels": component.selector},
        "maxUnavailable": 1,
        # A pod that does not work protects nobody, and must not keep a node from being drained.
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return build_child(component, "policy/v1", "PodDisruptionBudget", {"spec": spec})
