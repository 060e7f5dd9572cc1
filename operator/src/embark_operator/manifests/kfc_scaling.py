"""How many pods the KFC of a space has: by the topic's lag if it can be measured, else by CPU.

- `keda`: KEDA reads the lag from the brokers, and can scale to zero.
- `external`: an adapter of the monitoring system serves the metric `embark_kfc_lag`, in the pods' namespace, with the
  labels `embark_dev_cache` and `embark_dev_space`: those of the pods (embark.dev/cache, embark.dev/space), as
  Prometheus writes them. Every KFC exports the lag of the whole topic, so the adapter has to return the maximum over
  the pods, as `max by (namespace, embark_dev_cache, embark_dev_space) (embark_kfc_lag)` does: an autoscaler adds up
  what it gets. Topic and consumer group would identify the same, but may be longer than a selector allows.
- `cpu`: neither is available.
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
from embark_operator.manifests.scaling import KFC_TARGET_CPU, Bounds, SpaceUse, build_autoscaler, build_cpu_autoscaler
from embark_operator.names import Manifest

LAG_METRIC: Final = "embark_kfc_lag"
"""Records of the topic that a space's KFC has not committed."""


class ScalerKind(StrEnum):
    """What decides how many replicas a KFC has."""

    NONE = "none"
    """The spec: spec.kfc.replicas."""
    KEDA = "keda"
    EXTERNAL = "external"
    CPU = "cpu"


@dataclass(frozen=True, slots=True)
class KfcScaler:
    """The scaler of one KFC."""

    kind: ScalerKind
    manifests: tuple[Manifest, ...] = ()


def build_kfc_scaler(component: Component, settings: KfcSettings, apis: Apis, use: SpaceUse) -> KfcScaler:
    """Return the scaler of a space's KFC, by the best way that the cluster supports.

    If the space is idle, its KFC may scale to zero regardless of spec.kfc.autoscaling.min; if it is watched, it may
    not, since a rollout waits for the lag that it exports.
    """
    kfc = component.cache.spec.kfc
    kind = choose_scaler(kfc, apis)
    if kind is ScalerKind.NONE:
        return KfcScaler(kind)
    autoscaling, partitions = kfc.autoscaling or LagAutoscaling(), settings.topic.kafka.partitions
    bounds = kfc_bounds(autoscaling, partitions, saturation_cap=use.saturation_cap)
    if kind is ScalerKind.KEDA:
        min_replicas = 0 if use.idle else min(autoscaling.min, bounds.max)
        keda_bounds = replace(bounds, min=max(1, min_replicas) if use.watched else min_replicas)
        trigger = lag_trigger(component, settings, autoscaling.lag_threshold)
        manifests = build_scaled_object(component, settings.topic.kafka, keda_bounds, [trigger])
        return KfcScaler(kind, tuple(manifests))
    if kind is ScalerKind.EXTERNAL:
        scaler = build_autoscaler(component, bounds, _lag_metric(settings, component, autoscaling.lag_threshold))
        return KfcScaler(kind, (scaler,))
    return KfcScaler(kind, (build_cpu_autoscaler(component, bounds, KFC_TARGET_CPU),))


def choose_scaler(kfc: Kfc, apis: Apis) -> ScalerKind:
    """Return what scales the KFCs of a cache: the best way that the cluster supports."""
    if kfc.replicas is not None:
        return ScalerKind.NONE
    if apis.has(SCALED_OBJECT.api_version, SCALED_OBJECT.name):
        return ScalerKind.KEDA
    return ScalerKind.EXTERNAL if apis.serves(EXTERNAL_METRICS) else ScalerKind.CPU


def kfc_bounds(autoscaling: LagAutoscaling, partitions: int, *, saturation_cap: int | None = None) -> Bounds:
    """Return the bounds of an autoscaler that cannot scale to zero.

    More replicas than partitions would have nothing to consume. `saturation_cap` is the number of replicas while Retina
    is saturated: more would only wait for it, so it is the maximum, and the lag waits in the topic.
    """
    max_replicas = min(autoscaling.max, partitions)
    min_replicas = max(1, min(autoscaling.min, max_replicas))
    if saturation_cap is not None:
        max_replicas = max(min_replicas, min(max_replicas, saturation_cap))
    return Bounds(min_replicas, max_replicas, autoscaling.scale_down_after)


def _lag_metric(settings: KfcSettings, component: Component, threshold: int) -> Manifest:
    labels = {"embark_dev_cache": component.cache.metadata.name, "embark_dev_space": settings.space.id}
    return {
        "type": "External",
        "external": {
            "metric": {"name": LAG_METRIC, "selector": {"matchLabels": labels}},
            # The lag divided by the replicas.
            "target": {"type": "AverageValue", "averageValue": canonical_quantity(str(threshold))},
        },
    }
