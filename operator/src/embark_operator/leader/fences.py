"""A cluster that only the holder of the lease can write to, and that counts what is written; wraps the real one."""

from collections.abc import Callable, Iterable, Sequence

from embark_operator.cluster.apis import Apis
from embark_operator.cluster.kinds import Kind
from embark_operator.cluster.protocol import Cluster
from embark_operator.names import FIELD_MANAGER, Manifest


class FencedCluster:
    """A Cluster whose writes call `check` first, which raises where they must not happen, and then `count`."""

    def __init__(self, cluster: Cluster, check: Callable[[], None], count: Callable[[str, str], None]) -> None:
        self._cluster = cluster
        self._check = check
        self._count = count

    def read(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """Return an object, or None."""
        return self._cluster.read(kind, namespace, name)

    def find(self, kind: Kind, namespace: str, selector: str = "") -> Sequence[Manifest]:
        """Return the objects with those labels."""
        return self._cluster.find(kind, namespace, selector)

    def served(self, api_versions: Iterable[str]) -> Apis:
        """Return what is served."""
        return self._cluster.served(api_versions)

    def apply(self, manifest: Manifest, manager: str = FIELD_MANAGER) -> Manifest:
        """Apply, if that is allowed now."""
        self._allow("apply", manifest["kind"])
        return self._cluster.apply(manifest, manager)

    def create(self, manifest: Manifest) -> Manifest:
        """Create, if that is allowed now."""
        self._allow("create", manifest["kind"])
        return self._cluster.create(manifest)

    def delete(self, kind: Kind, namespace: str, name: str, uid: str, *, foreground: bool = False) -> None:
        """Delete, if that is allowed now."""
        self._allow("delete", kind.name)
        self._cluster.delete(kind, namespace, name, uid, foreground=foreground)

    def write_status(self, cache: Manifest, status: Manifest) -> None:
        """Write the status, if that is allowed now."""
        self._allow("status", cache["kind"])
        self._cluster.write_status(cache, status)

    def write_finalizers(self, cache: Manifest, finalizers: Sequence[str]) -> Manifest:
        """Write the finalizers, if that is allowed now."""
        self._allow("finalizers", cache["kind"])
        return self._cluster.write_finalizers(cache, finalizers)

    def _allow(self, verb: str, kind: str) -> None:
        self._check()
        self._count(verb, kind)
