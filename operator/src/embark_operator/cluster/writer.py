"""Applies manifests where they differ from the live objects, and deletes objects."""

from collections.abc import Callable, Iterable, Mapping

from embark_operator.cluster.differences import differs
from embark_operator.cluster.finalizers import is_deleted
from embark_operator.cluster.kinds import Child
from embark_operator.cluster.protocol import ApiRefusedError, Cluster
from embark_operator.names import Manifest


class ChildWriter:
    """Writes the children of one cache, and records what it wrote.

    After an error, `live`, `written` and `deleted` hold what was done before it.
    """

    def __init__(self, cluster: Cluster, live: Mapping[Child, Manifest], is_ours: Callable[[Manifest], bool]) -> None:
        self.cluster = cluster
        self.live = dict(live)
        """The children as they are now."""
        self.written: list[str] = []
        self.deleted: list[str] = []
        self._is_ours = is_ours

    def apply(self, manifests: Iterable[Manifest]) -> None:
        """Apply, in their order, the manifests that differ from the live objects.

        Raises:
            ApiRefusedError: the API server refused, or an object of that name exists that is not ours.
            UnavailableError: the API server does not answer.
        """
        for manifest in manifests:
            child = Child.from_manifest(manifest)
            live = self.live.get(child) or self.cluster.read(child.kind, manifest["metadata"]["namespace"], child.name)
            if live is not None and not self._is_ours(live):
                message = f"{child} already exists and does not belong to this cache; delete or rename it"
                raise ApiRefusedError(str(child), "NotOurs", message)
            if live is None or differs(manifest, live):
                self.live[child] = self.cluster.apply(manifest)
                self.written.append(str(child))
            else:
                self.live[child] = live

    def delete(self, child: Child) -> None:
        """Delete a live child, unless its deletion was requested before."""
        self.deleted += delete_objects(self.cluster, [self.live.pop(child)])


def delete_objects(cluster: Cluster, bodies: Iterable[Manifest], *, foreground: bool = False) -> tuple[str, ...]:
    """Delete objects; return those whose deletion had not been requested before."""
    deleted = []
    for body in bodies:
        child, metadata = Child.from_manifest(body), body["metadata"]
        if not is_deleted(body):
            cluster.delete(child.kind, metadata["namespace"], child.name, metadata["uid"], foreground=foreground)
            deleted.append(str(child))
    return tuple(deleted)
