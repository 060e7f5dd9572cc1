"""A cluster that can be written to only while this operator holds the lease."""

from collections.abc import Callable, Iterable, Sequence

from embark_operator.cluster.apis import Apis
from embark_operator.cluster.kinds import Kind
from embark_operator.cluster.protocol import Cluster
from embark_operator.names import FIELD_MANAGER, Manifest


class FencedCluster:
    """A Cluster that calls `check`, which raises unless writing is allowed, and then `count` before every write."""

    def __init__(self, cluster: Cluster, check: Callable[[], None], count: Callable[[str, str], None]) -> None:
        self._cluster = cluster
        self._check = check
        self._count = count

    def read(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """Return an object, or None if it does not exist."""
        return self._cluster.read(kind, namespace, name)

    def find(self, kind: Kind, namespace: str, selector: str = "") -> Sequence[Manifest]:
        """Return the objects that match a label selector."""
        return self._cluster.find(kind, namespace, selector)

    def served(self, api_versions: Iterable[str]) -> Apis:
        """Return what is served of these API versions."""
        return self._cluster.served(api_versions)

    def apply(self, manifest: Manifest, manager: str = FIELD_MANAGER) -> Manifest:
        """Apply a manifest, if allowed."""
        self._guard("apply", manifest["kind"])
        return self._cluster.apply(manifest, manager)

    def create(self, manifest: Manifest) -> Manifest:
        """Create an object, if allowed."""
        self._guard("create", manifest["kind"])
        return self._cluster.create(manifest)

    def delete(self, kind: Kind, namespace: str, name: str, uid: str, *, foreground: bool = False) -> None:
        """Delete an object, if allowed."""
        self._guard("delete", kind.name)
        self._cluster.delete(kind, namespace, name, uid, foreground=foreground)

    def write_status(self, cache: Manifest, status: Manifest) -> None:
        """Replace the status of a cache, if allowed."""
        self._guard("status", cache["kind"])
        self._cluster.write_status(cache, status)

    def write_finalizers(self, cache: Manifest, finalizers: Sequence[str]) -> Manifest:
        """Replace the finalizers of a cache, if allowed."""
        self._guard("finalizers", cache["kind"])
        return self._cluster.write_finalizers(cache, finalizers)

    def _guard(self, verb: str, kind: str) -> None:
        self._check()
        self._count(verb, kind)
