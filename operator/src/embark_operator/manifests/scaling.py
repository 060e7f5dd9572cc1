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
"""Percent of the request, if KFC cannot be scaled by lag."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many replicas an autoscaler may choose."""

    min: int
    max: int
    down_after: timedelta
    """How long fewer replicas must have been enough."""

    @property
    def down_after_seconds(self) -> int:
        """The same in whole seconds, rounded up."""
        return math.ceil(self.down_after.total_seconds())


@dataclass(frozen=True, slots=True)
class SpaceUse:
    """How a space is used now, which decides how far its KFC and its Retina scale."""

    idle: bool = False
    """No lookup waits for its fills."""
    filled: bool = False
    """A rollout waits for its pods or re-embeds into it, which shows in no lag."""
    watched: bool = False
    """A rollout waits for the lag that its KFC exports."""
    saturation_cap: int | None = None
    """How many replicas its KFC is capped at, because its Retina is saturated; None if it is not capped."""


def build_scaling(component: Component, replicas: int | None, autoscaling: CpuAutoscaling | None) -> list[Manifest]:
    """Return the autoscaler, if there is one, and the disruption budget of a component that can have two pods."""
    children = []
    if autoscaling:
        bounds = Bounds(autoscaling.min, autoscaling.max, autoscaling.scale_down_after)
        children.append(build_cpu_autoscaler(component, bounds, autoscaling.target_cpu))
    max_replicas = autoscaling.max if autoscaling else replicas or 0
    if max_replicas > 1:
        children.append(build_disruption_budget(component))
    return children


def build_autoscaler(component: Component, bounds: Bounds, metric: Manifest) -> Manifest:
    """Return the HorizontalPodAutoscaler of a component's Deployment."""
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": component.name},
        "minReplicas": bounds.min,
        "maxReplicas": bounds.max,
        "metrics": [metric],
        "behavior": build_behavior(bounds),
    }
    return build_child(component, "autoscaling/v2", "HorizontalPodAutoscaler", {"spec": spec})


def build_behavior(bounds: Bounds) -> Manifest:
    """Return how fast replicas change: up quickly, down slowly.

    They double every 15 seconds, or grow by four if that is more; they are halved at most once a minute, after fewer
    would have been enough for `bounds.down_after`.
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
    """Return the HorizontalPodAutoscaler that aims at `percent` of the CPU request."""
    # Only of the component's container: a mesh's sidecar is not its load, and may have no request.
    cpu = {
        "name": "cpu",
        "container": component.title,
        "target": {"type": "Utilization", "averageUtilization": percent},
    }
    metric = {"type": "ContainerResource", "containerResource": cpu}
    return build_autoscaler(component, bounds, metric)


def zero_replica_fields(spec: EmbeddingCacheSpec) -> tuple[str, ...]:
    """Return the fields of a spec that allow a component to scale to zero, which requires KEDA."""
    scaled = {"spec.kfc": spec.kfc.autoscaling, "spec.retina": spec.retina.autoscaling}
    return tuple(f"{name}.autoscaling.min" for name, scaling in scaled.items() if scaling and not scaling.min)


def build_disruption_budget(component: Component) -> Manifest:
    """Return the PodDisruptionBudget that lets a node's drain evict one pod of a component at a time."""
    spec = {
        "selector": {"matchLabels": component.selector},
        "maxUnavailable": 1,
        # A pod that is not ready must not keep a node from being drained.
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    return build_child(component, "policy/v1", "PodDisruptionBudget", {"spec": spec})
