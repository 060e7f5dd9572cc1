"""The Kubernetes cluster as the operator sees it."""

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from embark.errors import EmbArkError
from embark_operator.cluster.apis import Apis
from embark_operator.cluster.kinds import Kind
from embark_operator.names import FIELD_MANAGER, Manifest

NAMESPACE_TERMINATING: Final = "NamespaceTerminating"
"""The reason of an ApiRefusedError when a namespace is being deleted: nothing can be created in it."""


class ApiRefusedError(EmbArkError):
    """The API server refused a request permanently: a quota, a missing right, an unknown field."""

    def __init__(self, what: str, reason: str, message: str) -> None:
        super().__init__(f"{what}: {message}")
        self.what = what
        self.reason = reason
        """The API's word, for example Forbidden or Invalid."""
        self.message = message


class ConflictError(ApiRefusedError):
    """The object was changed since it was read, or exists already."""


class MissingError(ConflictError):
    """The object does not exist, or no longer does."""


class ClusterReader(Protocol):
    """Reads objects; every method raises UnavailableError while no API server answers, and ApiRefusedError."""

    def read(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """Return an object, or None if it does not exist."""
        ...

    def find(self, kind: Kind, namespace: str, selector: str = "") -> Sequence[Manifest]:
        """Return the objects that match a label selector; an empty namespace means all namespaces."""
        ...


class ClusterApis(Protocol):
    """Discovers which kinds a cluster serves beyond Kubernetes' own."""

    def served(self, api_versions: Iterable[str]) -> Apis:
        """Return what is served of these API versions, at most a minute old; raises as ClusterReader does."""
        ...


class ClusterWriter(Protocol):
    """Writes objects; raises as ClusterReader does."""

    def apply(self, manifest: Manifest, manager: str = FIELD_MANAGER) -> Manifest:
        """Apply a manifest on the server as `manager`, which takes over its fields; return the object."""
        ...

    def delete(self, kind: Kind, namespace: str, name: str, uid: str, *, foreground: bool = False) -> None:
        """Delete the object with that uid, and then what it owns. Succeeds if the object is already deleted.

        With `foreground`, what it owns is deleted first, and the object creates nothing while it waits.
        """
        ...

    def write_status(self, cache: Manifest, status: Manifest) -> None:
        """Replace the status of a cache; raises ConflictError if it was changed or deleted since it was read."""
        ...

    def write_finalizers(self, cache: Manifest, finalizers: Sequence[str]) -> Manifest:
        """Replace the finalizers of a cache and return it; raises ConflictError if it was changed since it was read."""
        ...

    def create(self, manifest: Manifest) -> Manifest:
        """Create an object; raises ConflictError if it exists."""
        ...


class Cluster(ClusterReader, ClusterApis, ClusterWriter, Protocol):
    """A whole cluster."""
