"""Which Retinas are saturated, and how many replicas their KFCs are capped at."""

from collections.abc import Mapping
from typing import Final

from embark.rollout.state import RolloutState
from embark.spec import EmbeddingCache
from embark_operator.cluster.kinds import AUTOSCALER, DEPLOYMENT, Child
from embark_operator.names import Manifest, kfc_name, retina_name

_KEDA_PREFIX: Final = "keda-hpa-"
"""How KEDA names the autoscaler of a ScaledObject that gives no name."""


def saturation_caps(cache: EmbeddingCache, rollout: RolloutState, live: Mapping[Child, Manifest]) -> Mapping[str, int]:
    """Return, by space, the replicas of each KFC whose Retina is saturated: more of them would only wait."""
    caps = {}
    for space in rollout.served:
        deployment = live.get(Child(DEPLOYMENT, kfc_name(cache, space.id)))
        cap = saturation_cap(_find_autoscaler(live, retina_name(cache, space.id)), deployment)
        if cap is not None:
            caps[space.id] = cap
    return caps


def saturation_cap(retina_scaler: Manifest | None, kfc_deployment: Manifest | None) -> int | None:
    """Return how many replicas a KFC is capped at, by the live objects of its space; None if it is not capped.

    Retina is saturated when its HorizontalPodAutoscaler wants more replicas than it may have, which is the condition
    ScalingLimited with the reason TooManyReplicas. The autoscaler keeps the condition for its scaleDownAfter when the
    load is over, so the cap does not come and go with every measurement.
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


def _find_autoscaler(live: Mapping[Child, Manifest], deployment: str) -> Manifest | None:
    """Return the HorizontalPodAutoscaler of a Deployment: ours, or the one that KEDA creates for our ScaledObject.

    KEDA gives it the labels of the ScaledObject, by which children are found.
    """
    return live.get(Child(AUTOSCALER, deployment)) or live.get(Child(AUTOSCALER, f"{_KEDA_PREFIX}{deployment}"))
