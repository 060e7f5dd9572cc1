"""How many pods the KFC of a space has: by the topic's lag where somebody can tell it, else by CPU; called by `kfc`.

- `keda`: KEDA asks the brokers, and may go down to no pod.
- `external`: an adapter of the monitoring system serves the metric `embark_kfc_lag`, in the pods' namespace, with the
  labels `embark_dev_cache` and `embark_dev_space`: those of the pods (embark.dev/cache, embark.dev/space), as
  Prometheus writes them. Every KFC exports the lag of the whole topic, so the adapter has to give the maximum over
  the pods, as `max by (namespace, embark_dev_cache, embark_dev_space) (embark_kfc_lag)` does: an autoscaler adds up
  what it gets. Topic and consumer group would say the same as the labels, and may be longer than a selector takes.
- `cpu`: neither is there.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from embark.settings import KfcSettings
from embark.spec.autoscaling import LagAutoscaling
from embark.spec.quantities import canonical_quantity
from embark.spec.serving import Kfc
from embark_operator.cluster.apis import EXTERNAL_METRICS, Apis
from embark_operator.cluster.kinds import SCALED_OBJECT
from embark_operator.manifests.children import Component
from embark_operator.manifests.keda import build_scaled_object, lag_trigger
from embark_operator.manifests.scaling import KFC_TARGET_CPU, Bounds, build_autoscaler, build_cpu_autoscaler
from embark_operator.names import Manifest

LAG_METRIC: Final = "embark_kfc_lag"
"""Records of the topic that a space's KFC has not committed."""


class ScalerKind(StrEnum):
    """What decides how many replicas a KFC has."""

    NONE = "none"
    """The spec does: spec.kfc.replicas."""
    KEDA = "keda"
    EXTERNAL = "external"
    CPU = "cpu"


@dataclass(frozen=True, slots=True)
class KfcScaler:
    """The scaler of one KFC."""

    kind: ScalerKind
    manifests: tuple[Manifest, ...] = ()


def build_kfc_scaler(
    component: Component,
    kfc: Kfc,
    settings: KfcSettings,
    apis: Apis,
    *,
    idle: bool = False,
    watched: bool = False,
    held_at: int | None = None,
) -> KfcScaler:
    """Return the scaler of a space's KFC, by the best way that the cluster has.

    One that is `idle` may go down to no pod, whatever spec.kfc.autoscaling.min is; one that is `watched` may not, as
    somebody waits for the lag that it tells. `held_at`: see `kfc_bounds`.
    """
    kind = choose_scaler(kfc, apis)
    if kind is ScalerKind.NONE:
        return KfcScaler(kind)
    asked, partitions = kfc.autoscaling or LagAutoscaling(), settings.topic.kafka.partitions
    bounds = kfc_bounds(asked, partitions, held_at=held_at)
    if kind is ScalerKind.KEDA:
        least = 0 if idle else min(asked.min, bounds.most)
        ranged = replace(bounds, least=max(1, least) if watched else least)
        trigger = lag_trigger(component, settings, asked.lag_threshold)
        manifests = build_scaled_object(component, settings.topic.kafka, ranged, [trigger])
        return KfcScaler(kind, tuple(manifests))
    if kind is ScalerKind.EXTERNAL:
        scaler = build_autoscaler(component, bounds, _lag(settings, component, asked.lag_threshold))
        return KfcScaler(kind, (scaler,))
    return KfcScaler(kind, (build_cpu_autoscaler(component, bounds, KFC_TARGET_CPU),))


def choose_scaler(kfc: Kfc, apis: Apis) -> ScalerKind:
    """Return what scales the KFCs of a cache: the best way that the cluster has."""
    if kfc.replicas is not None:
        return ScalerKind.NONE
    if apis.has(SCALED_OBJECT.api_version, SCALED_OBJECT.name):
        return ScalerKind.KEDA
    return ScalerKind.EXTERNAL if apis.serves(EXTERNAL_METRICS) else ScalerKind.CPU


def kfc_bounds(asked: LagAutoscaling, partitions: int, *, held_at: int | None = None) -> Bounds:
    """Return between how many replicas an autoscaler that cannot scale to zero may choose.

    More than partitions would have nothing to consume. `held_at` is how many replicas there are while Retina is
    saturated: more would only wait for it, so that is the most, and the lag waits in the topic.
    """
    most = min(asked.max, partitions)
    least = max(1, min(asked.min, most))
    most = most if held_at is None else max(least, min(most, held_at))
    return Bounds(least, most, asked.scale_down_after)


def saturation_cap(retina_scaler: Manifest | None, kfc_deployment: Manifest | None) -> int | None:
    """Return how many replicas a KFC is held at, None: it is not, from its space's live objects.

    Retina is saturated when its HorizontalPodAutoscaler wants more replicas than it may have, which it says by the
    condition ScalingLimited with the reason TooManyReplicas. Like its wish, that stays for its
    scaleDownAfter when the load is gone, so the bound does not come and go with every measurement.
    """
    if retina_scaler is None or kfc_deployment is None:
        return None
    conditions = retina_scaler.get("status", {}).get("conditions") or ()
    limited = any(
        (found["type"], found["status"], found.get("reason")) == ("ScalingLimited", "True", "TooManyReplicas")
        for found in conditions
    )
    replicas: int = kfc_deployment["spec"].get("replicas", 1)
    return replicas if limited else None


def _lag(settings: KfcSettings, component: Component, threshold: int) -> Manifest:
    labels = {"embark_dev_cache": component.cache.metadata.name, "embark_dev_space": settings.space.id}
    return {
        "type": "External",
        "external": {
            "metric": {"name": LAG_METRIC, "selector": {"matchLabels": labels}},
            # The lag divided by the replicas.
            "target": {"type": "AverageValue", "averageValue": canonical_quantity(str(threshold))},
        },
    }
