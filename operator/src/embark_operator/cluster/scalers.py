"""Replaces the autoscaler of a Deployment by one of another kind without losing its replicas."""

from collections.abc import Sequence
from typing import Final

from embark_operator.cluster.kinds import AUTOSCALER, DEPLOYMENT, SCALED_OBJECT, Child, is_owned
from embark_operator.cluster.writer import ChildWriter
from embark_operator.names import HANDOVER, Manifest

_SCALERS: Final = {(kind.api_version, kind.name) for kind in (AUTOSCALER, SCALED_OBJECT)}


def remove_conflicting_scalers(writer: ChildWriter, uid: str, wanted: Sequence[Manifest]) -> None:
    """Delete the scalers of Deployments that are about to get one of another kind: two would fight over the replicas.

    `uid` is that of the cache, whose scalers are the only ones to delete.
    """
    new = {_target(manifest): Child.from_manifest(manifest) for manifest in wanted if _is_scaler(manifest)}
    for child in [child for child, body in writer.live.items() if _is_scaler(body) and is_owned(body, uid)]:
        replacement = new.get(_target(writer.live[child]))
        if replacement is not None and replacement.kind != child.kind:
            writer.delete(child)


def keep_replicas_on_handover(writer: ChildWriter, wanted: Sequence[Manifest]) -> None:
    """Keep the replicas of Deployments that get their first scaler, until it sets them.

    The operator lets go of the field then, and a field without a manager falls back to its default of one replica.
    """
    for manifest in wanted:
        if _is_scaler(manifest) and Child.from_manifest(manifest) not in writer.live:
            _keep_replicas(writer, manifest)


def _keep_replicas(writer: ChildWriter, scaler: Manifest) -> None:
    target = writer.live.get(Child(DEPLOYMENT, _target(scaler)))
    if target and target["spec"].get("replicas", 1) > 1:
        kept = {
            "apiVersion": DEPLOYMENT.api_version,
            "kind": DEPLOYMENT.name,
            "metadata": {name: target["metadata"][name] for name in ("name", "namespace")},
            "spec": {"replicas": target["spec"]["replicas"]},
        }
        writer.cluster.apply(kept, HANDOVER)


def _is_scaler(manifest: Manifest) -> bool:
    return (manifest["apiVersion"], manifest["kind"]) in _SCALERS


def _target(scaler: Manifest) -> str:
    name: str = scaler["spec"]["scaleTargetRef"]["name"]
    return name
