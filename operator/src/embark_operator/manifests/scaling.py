"""How many pods a component has: HorizontalPodAutoscalers and PodDisruptionBudgets."""

import copy
from typing import Final

from embark.spec.serving import CpuAutoscaling, Kfc, LagAutoscaling
from embark_operator.manifests.children import Component, build_child
from embark_operator.names import Manifest

_KFC_TARGET_CPU: Final = 80
# Load comes at once and goes slowly: doubled every quarter of a minute, or by four pods where that is more; halved
# at most once a minute, after five minutes in which fewer would have done.
_BEHAVIOR: Final = {
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


def kfc_autoscaling(kfc: Kfc, partitions: int) -> CpuAutoscaling | None:
    """Return KFC's autoscaling, by CPU; more replicas than partitions would have nothing to consume."""
    if kfc.replicas is not None:
        return None
    asked = kfc.autoscaling or LagAutoscaling()
    most = min(asked.max, partitions)
    # An autoscaler by CPU cannot bring a component back that has no pod.
    return CpuAutoscaling(min=max(1, min(asked.min, most)), max=most, target_cpu=_KFC_TARGET_CPU)


def build_scaling(
    component: Component, replicas: int | None, autoscaling: CpuAutoscaling | None, *, disruptable: bool = False
) -> list[Manifest]:
    """Return the autoscaler, if there is one; and, unless `disruptable`, the budget of what can have two pods."""
    children = []
    if autoscaling:
        children.append(_build_autoscaler(component, autoscaling))
    most = autoscaling.max if autoscaling else replicas or 0
    if not disruptable and most > 1:
        children.append(_build_disruption_budget(component))
    return children


def _build_autoscaler(component: Component, autoscaling: CpuAutoscaling) -> Manifest:
    # Of the one container: what a mesh adds to the pod is no load of the component, and may have no request.
    cpu = {
        "name": "cpu",
        "container": component.title,
        "target": {"type": "Utilization", "averageUtilization": autoscaling.target_cpu},
    }
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": component.name},
        "minReplicas": autoscaling.min,
        "maxReplicas": autoscaling.max,
        "metrics": [{"type": "ContainerResource", "containerResource": cpu}],
        "behavior": copy.deepcopy(_BEHAVIOR),
    }
    return build_child(component, "autoscaling/v2", "HorizontalPodAutoscaler", {"spec": spec})


def _build_disruption_budget(component: Component) -> Manifest:
    spec = {
        "selector": {"matchLabels": component.selector},
        "maxUnavailable": 1,
        # A pod that does not work protects nobody, and must not keep a node from being drained.
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return build_child(component, "policy/v1", "PodDisruptionBudget", {"spec": spec})
