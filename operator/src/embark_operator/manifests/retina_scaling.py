"""How many pods the Retina of a space has: by its CPU, and by KEDA where it may have none; called by `retina`.

Where KEDA is served, the Retina of a candidate, and of the space that is kept for a rollback, goes down to no pod: it
encodes only what its own KFC consumes, and during a re-embedding what that asks for. That of the active space does so
where spec.retina.autoscaling.min is 0: the next miss wakes it, and waits until the model is loaded. Without KEDA nobody
would bring the first pod back, and there is always one.
"""

from typing import Final

from embark.settings import KfcSettings
from embark.spec.autoscaling import RetinaAutoscaling
from embark.spec.serving import Retina
from embark_operator.cluster.apis import Apis
from embark_operator.cluster.kinds import SCALED_OBJECT
from embark_operator.manifests.children import Component
from embark_operator.manifests.keda import build_scaled_object, cpu_trigger, lag_trigger
from embark_operator.manifests.scaling import Bounds, build_disruption_budget, build_scaling
from embark_operator.names import Manifest

# So many records that the lag never asks for a second replica: it only wakes the first, and CPU does the rest.
_WAKING: Final = 1_000_000_000


def build_retina_scaling(
    component: Component, retina: Retina, settings: KfcSettings, apis: Apis, *, idle: bool, needed: bool
) -> list[Manifest]:
    """Return scaler and disruption budget of the Retina of a space; `settings` are those of its KFC.

    `idle`: no look-up waits for its space. `needed`: a rollout waits for it or re-embeds, which no lag tells.
    """
    autoscaling = None if retina.replicas is not None else retina.autoscaling or RetinaAutoscaling()
    if autoscaling is None:
        return build_scaling(component, retina.replicas, None)
    least, keda = max(1, autoscaling.min), apis.has(SCALED_OBJECT.api_version, SCALED_OBJECT.name)
    if not keda or (autoscaling.min and not idle):
        return build_scaling(component, None, autoscaling.model_copy(update={"min": least}))
    bounds = Bounds(least if needed else 0, autoscaling.max, autoscaling.scale_down_after)
    triggers = [lag_trigger(component, settings, _WAKING), cpu_trigger(component, autoscaling.target_cpu)]
    scaled = build_scaled_object(component, settings.topic.kafka, bounds, triggers)
    return [*scaled, *([build_disruption_budget(component)] if bounds.most > 1 else [])]
