"""Applies manifests where they differ from what is there, never over what is somebody else's; and deletes objects."""

from collections.abc import Callable, Iterable, MutableMapping, Sequence

from embark_operator.cluster.differences import differs
from embark_operator.cluster.finalizers import is_deleted
from embark_operator.cluster.kinds import Child, child_of
from embark_operator.cluster.protocol import ApiRefusedError, Cluster
from embark_operator.names import Manifest


def apply_children(
    cluster: Cluster,
    wanted: Sequence[Manifest],
    live: MutableMapping[Child, Manifest],
    is_ours: Callable[[Manifest], bool],
    written: list[str],
) -> None:
    """Make what is wanted be there, in its order; `live` gets what is there then, `written` what had to be applied.

    Both tell how far it came where an error is raised.

    Raises:
        RefusedError: the API server refuses, or an object of that name is not one that `is_ours` says yes of.
        UnavailableError: the API server does not answer.
    """
    for manifest in wanted:
        child = child_of(manifest)
        there = live.get(child) or cluster.read(child.kind, manifest["metadata"]["namespace"], child.name)
        if there is not None and not is_ours(there):
            message = f"{child} is there already and does not belong to this cache; delete or rename it"
            raise ApiRefusedError(str(child), "NotOurs", message)
        if there is None or differs(manifest, there):
            live[child] = cluster.apply(manifest)
            written.append(str(child))
        else:
            live[child] = there


def delete(cluster: Cluster, found: Iterable[Manifest], *, foreground: bool = False) -> tuple[str, ...]:
    """Delete objects, and return those of which it was not asked before; `foreground` as Cluster.delete has it."""
    deleted = []
    for body in found:
        child, metadata = child_of(body), body["metadata"]
        if not is_deleted(body):
            cluster.delete(child.kind, metadata["namespace"], child.name, metadata["uid"], foreground=foreground)
            deleted.append(str(child))
    return tuple(deleted)
