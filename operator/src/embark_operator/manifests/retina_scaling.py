"""How many pods the Retina of a space has that no look-up waits for; called by `retina`.

That of a candidate, or of the space that is kept for a rollback, encodes only what its own KFC consumes, and during a
re-embedding what that asks for. Where KEDA is served it goes down to no pod in between; everywhere else, and for the
active space, it is scaled by CPU alone (`build_scaling`).
"""

from typing import Final

from embark.settings import KfcSettings
from embark.spec.autoscaling import RetinaAutoscaling
from embark.spec.serving import Retina
from embark_operator.apis import Apis
from embark_operator.kinds import SCALED_OBJECT
from embark_operator.manifests.children import Component
from embark_operator.manifests.keda import build_scaled_object, cpu_trigger, lag_trigger
from embark_operator.manifests.scaling import Bounds, build_disruption_budget, build_scaling
from embark_operator.names import Manifest

# So many records that the lag never asks for a second replica: it only wakes the first, and CPU does the rest.
_WAKING: Final = 1_000_000_000


def build_idle_retina_scaling(
    component: Component, retina: Retina, settings: KfcSettings, apis: Apis, *, needed: bool
) -> list[Manifest]:
    """Return scaler and disruption budget of a Retina that may go down to no pod unless it is `needed`.

    It is needed while a rollout waits for it or re-embeds, which no lag tells; `settings` are its space's KFC's.
    """
    autoscaling = None if retina.replicas is not None else retina.autoscaling or RetinaAutoscaling()
    if autoscaling is None or not apis.has(SCALED_OBJECT.api_version, SCALED_OBJECT.name):
        return build_scaling(component, retina.replicas, autoscaling)
    bounds = Bounds(autoscaling.min if needed else 0, autoscaling.max, autoscaling.scale_down_after)
    triggers = [lag_trigger(component, settings, _WAKING), cpu_trigger(component, autoscaling.target_cpu)]
    scaled = build_scaled_object(component, settings.topic.kafka, bounds, triggers)
    return [*scaled, *([build_disruption_budget(component)] if bounds.most > 1 else [])]
