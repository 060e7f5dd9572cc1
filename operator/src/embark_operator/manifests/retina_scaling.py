"""How many pods the Retina of a space has: by its CPU, and by KEDA if it may have none.

With KEDA, the Retina of a candidate, and of the space that is kept for a rollback, scales to zero: it encodes only what
its own KFC consumes, and what a re-embedding requests. The Retina of the active space does so if
spec.retina.autoscaling.min is 0: the next miss starts a pod, and waits until the model is loaded. Without KEDA nothing
would start the first pod, so there is always one.
"""

from typing import Final

from embark.settings import KfcSettings
from embark.spec.autoscaling import RetinaAutoscaling
from embark_operator.cluster.apis import Apis
from embark_operator.cluster.kinds import SCALED_OBJECT
from embark_operator.manifests.children import Component
from embark_operator.manifests.keda import build_scaled_object, cpu_trigger, lag_trigger
from embark_operator.manifests.scaling import Bounds, SpaceUse, build_disruption_budget, build_scaling
from embark_operator.names import Manifest

# So many records that lag never requests a second replica: it only starts the first, and CPU adds the others.
_WAKING_LAG: Final = 1_000_000_000


def build_retina_scaling(component: Component, settings: KfcSettings, apis: Apis, use: SpaceUse) -> list[Manifest]:
    """Return scaler and disruption budget of the Retina of a space; `settings` are those of its KFC."""
    retina = component.cache.spec.retina
    autoscaling = None if retina.replicas is not None else retina.autoscaling or RetinaAutoscaling()
    if autoscaling is None:
        return build_scaling(component, retina.replicas, None)
    min_replicas, has_keda = max(1, autoscaling.min), apis.has(SCALED_OBJECT.api_version, SCALED_OBJECT.name)
    if not has_keda or (autoscaling.min and not use.idle):
        return build_scaling(component, None, autoscaling.model_copy(update={"min": min_replicas}))
    bounds = Bounds(min_replicas if use.filled else 0, autoscaling.max, autoscaling.scale_down_after)
    triggers = [lag_trigger(component, settings, _WAKING_LAG), cpu_trigger(component, autoscaling.target_cpu)]
    scaled = build_scaled_object(component, settings.topic.kafka, bounds, triggers)
    return [*scaled, *([build_disruption_budget(component)] if bounds.max > 1 else [])]
