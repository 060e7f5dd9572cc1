"""The live scalers of a cache's Deployments: when one gives way to another, and what they say; called by reconcile."""

from collections.abc import Mapping, Sequence
from typing import Final

from embark.rollout.state import RolloutState
from embark.spec import EmbeddingCache
from embark_operator.cluster.applying import delete
from embark_operator.cluster.kinds import AUTOSCALER, DEPLOYMENT, SCALED_OBJECT, Child, child_of, is_owned
from embark_operator.cluster.protocol import Cluster
from embark_operator.manifests.kfc_scaling import saturation_cap
from embark_operator.names import HANDOVER, Manifest, kfc_name, retina_name

_SCALERS: Final = (AUTOSCALER, SCALED_OBJECT)
_KEDA_PREFIX: Final = "keda-hpa-"  # of a name that a ScaledObject does not give


def is_scaler(manifest: Manifest) -> bool:
    """Return whether a manifest is of what sets the replicas of a Deployment."""
    return (manifest["apiVersion"], manifest["kind"]) in {(kind.api_version, kind.name) for kind in _SCALERS}


def remove_conflicting_scalers(
    cluster: Cluster, uid: str, wanted: Sequence[Manifest], live: dict[Child, Manifest], deleted: list[str]
) -> None:
    """Remove the scalers of Deployments that are about to get one of another kind: two would fight over a number."""
    coming = {_target(manifest): child_of(manifest) for manifest in wanted if is_scaler(manifest)}
    for child in [child for child, body in live.items() if is_scaler(body) and is_owned(body, uid)]:
        replacement = coming.get(_target(live[child]))
        if replacement is not None and replacement.kind != child.kind:
            remove(cluster, child, live, deleted)


def remove(cluster: Cluster, child: Child, live: dict[Child, Manifest], deleted: list[str]) -> None:
    """Delete a child, unless it is being deleted already."""
    deleted += delete(cluster, [live.pop(child)])


def keep_replicas_on_handover(cluster: Cluster, scaler: Manifest, live: Mapping[Child, Manifest]) -> None:
    """Keep the replicas of a scaler's Deployment as they are when the operator lets go of them.

    A field that its last manager leaves out falls back to its default, and that is one replica.
    """
    target = live.get(Child(DEPLOYMENT, _target(scaler)))
    if target and target["spec"].get("replicas", 1) > 1:
        place = {name: target["metadata"][name] for name in ("name", "namespace")}
        replicas = {"replicas": target["spec"]["replicas"]}
        kept = {"apiVersion": DEPLOYMENT.api_version, "kind": DEPLOYMENT.name, "metadata": place, "spec": replicas}
        cluster.apply(kept, HANDOVER)


def saturation_caps(cache: EmbeddingCache, rollout: RolloutState, live: Mapping[Child, Manifest]) -> Mapping[str, int]:
    """Return, by space, how many replicas a KFC has that is not to get more: its Retina is saturated."""
    held = {}
    for space in rollout.served:
        replicas = saturation_cap(
            _autoscaler_of(live, retina_name(cache, space.id)), live.get(Child(DEPLOYMENT, kfc_name(cache, space.id)))
        )
        if replicas is not None:
            held[space.id] = replicas
    return held


def _autoscaler_of(live: Mapping[Child, Manifest], deployment: str) -> Manifest | None:
    """Return the HorizontalPodAutoscaler of a Deployment: ours, or the one that KEDA makes for our ScaledObject.

    KEDA gives it the labels of the ScaledObject, by which children are found.
    """
    return live.get(Child(AUTOSCALER, deployment)) or live.get(Child(AUTOSCALER, f"{_KEDA_PREFIX}{deployment}"))


def _target(scaler: Manifest) -> str:
    name: str = scaler["spec"]["scaleTargetRef"]["name"]
    return name
