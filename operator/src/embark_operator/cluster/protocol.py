"""What reconcile asks of a Kubernetes cluster; the adapter is kubernetes_cluster, one contract suite tests it."""

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from embark.errors import EmbArkError
from embark_operator.cluster.apis import Apis
from embark_operator.cluster.kinds import Kind
from embark_operator.names import FIELD_MANAGER, Manifest

NAMESPACE_TERMINATING: Final = "NamespaceTerminating"
"""The reason of a RefusedError where a namespace is being deleted: nothing can be made in it any more."""


class ApiRefusedError(EmbArkError):
    """The API server refused a request for good: a quota, a missing right, a field that it does not take."""

    def __init__(self, what: str, reason: str, message: str) -> None:
        super().__init__(f"{what}: {message}")
        self.what = what
        self.reason = reason
        """The API's word, for example Forbidden or Invalid."""
        self.message = message


class ConflictError(ApiRefusedError):
    """The object has changed since it was read, or is there already."""


class MissingError(ConflictError):
    """The object is not there, or not any more."""


class ClusterReader(Protocol):
    """Reads objects; every method raises UnavailableError while no API server answers, and RefusedError."""

    def read(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """Return an object, or None if there is none."""
        ...

    def find(self, kind: Kind, namespace: str, selector: str = "") -> Sequence[Manifest]:
        """Return the objects with those labels; an empty namespace means all of them."""
        ...


class ClusterApis(Protocol):
    """Knows which kinds a cluster has beside Kubernetes' own."""

    def served(self, api_versions: Iterable[str]) -> Apis:
        """Return what of these API versions is served, as far as was known at most a minute ago; raises as above."""
        ...


class ClusterWriter(Protocol):
    """Writes objects; raises as ClusterReader does."""

    def apply(self, manifest: Manifest, manager: str = FIELD_MANAGER) -> Manifest:
        """Apply a manifest on the server as `manager`, taking over the fields it has; return the object."""
        ...

    def delete(self, kind: Kind, namespace: str, name: str, uid: str, *, foreground: bool = False) -> None:
        """Delete that very object, and what it owns in the background; one that is gone is none of its concern.

        `foreground`: it is there until all that it owns is gone, and makes nothing new meanwhile.
        """
        ...

    def write_status(self, cache: Manifest, status: Manifest) -> None:
        """Make `status` the whole status of a cache; ConflictError: it has changed since it was read, or is gone."""
        ...

    def write_finalizers(self, cache: Manifest, finalizers: Sequence[str]) -> Manifest:
        """Make these the finalizers of a cache and return it; ConflictError: it has changed since it was read."""
        ...

    def create(self, manifest: Manifest) -> Manifest:
        """Create an object; ConflictError: it is there."""
        ...


class Cluster(ClusterReader, ClusterApis, ClusterWriter, Protocol):
    """A whole cluster."""
