"""How many pods a component has: HorizontalPodAutoscalers and PodDisruptionBudgets."""

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from embark.spec import EmbeddingCacheSpec
from embark.spec.autoscaling import CpuAutoscaling
from embark_operator.manifests.children import Component, build_child
from embark_operator.names import Manifest

KFC_TARGET_CPU: Final = 80
"""Percent of the request, where KFC cannot be scaled by lag."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many replicas an autoscaler may choose."""

    least: int
    most: int
    down_after: timedelta
    """How long fewer must have been enough."""

    @property
    def down_after_seconds(self) -> int:
        """The same in whole seconds, as autoscalers count."""
        return math.ceil(self.down_after.total_seconds())


def build_scaling(component: Component, replicas: int | None, autoscaling: CpuAutoscaling | None) -> list[Manifest]:
    """Return the autoscaler, if there is one, and the budget of what can have two pods."""
    children = []
    if autoscaling:
        bounds = Bounds(autoscaling.min, autoscaling.max, autoscaling.scale_down_after)
        children.append(build_cpu_autoscaler(component, bounds, autoscaling.target_cpu))
    most = autoscaling.max if autoscaling else replicas or 0
    if most > 1:
        children.append(build_disruption_budget(component))
    return children


def build_autoscaler(component: Component, bounds: Bounds, metric: Manifest) -> Manifest:
    """Return the HorizontalPodAutoscaler of a component's Deployment."""
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": component.name},
        "minReplicas": bounds.least,
        "maxReplicas": bounds.most,
        "metrics": [metric],
        "behavior": build_behavior(bounds),
    }
    return build_child(component, "autoscaling/v2", "HorizontalPodAutoscaler", {"spec": spec})


def build_behavior(bounds: Bounds) -> Manifest:
    """Return how fast replicas change: load comes at once, and goes slowly.

    Doubled every quarter of a minute, or by four pods where that is more; halved at most once a minute, after a time in
    which fewer would have done.
    """
    return {
        "scaleUp": {
            "stabilizationWindowSeconds": 0,
            "selectPolicy": "Max",
            "policies": [
                {"type": "Percent", "value": 100, "periodSeconds": 15},
                {"type": "Pods", "value": 4, "periodSeconds": 15},
            ],
        },
        "scaleDown": {
            "stabilizationWindowSeconds": bounds.down_after_seconds,
            "selectPolicy": "Max",
            "policies": [{"type": "Percent", "value": 50, "periodSeconds": 60}],
        },
    }


def build_cpu_autoscaler(component: Component, bounds: Bounds, percent: int) -> Manifest:
    """Return the HorizontalPodAutoscaler that aims at so many percent of the CPU request."""
    # Of the one container: what a mesh adds to the pod is no load of the component, and may have no request.
    cpu = {
        "name": "cpu",
        "container": component.title,
        "target": {"type": "Utilization", "averageUtilization": percent},
    }
    metric = {"type": "ContainerResource", "containerResource": cpu}
    return build_autoscaler(component, bounds, metric)


def zero_replica_fields(spec: EmbeddingCacheSpec) -> tuple[str, ...]:
    """Return the fields of a spec that let a component have no replicas, which only KEDA can carry out."""
    scaled = {"spec.kfc": spec.kfc.autoscaling, "spec.retina": spec.retina.autoscaling}
    return tuple(f"{name}.autoscaling.min" for name, asked in scaled.items() if asked and not asked.min)


def build_disruption_budget(component: Component) -> Manifest:
    """Return what lets a node's drain take one pod of a component at a time."""
    spec = {
        "selector": {"matchLabels": component.selector},
        "maxUnavailable": 1,
        # A pod that does not work protects nobody, and must not keep a node from being drained.
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return build_child(component, "policy/v1", "PodDisruptionBudget", {"spec": spec})
