"""What reconcile asks of a Kubernetes cluster; the adapter is kubernetes_cluster, one contract suite tests it."""

from collections.abc import Sequence
from typing import Protocol

from embark.errors import EmbArkError
from embark_operator.kinds import Kind
from embark_operator.names import FIELD_MANAGER, Manifest


class RefusedError(EmbArkError):
    """The API server refused a request for good: a quota, a missing right, a field that it does not take."""

    def __init__(self, what: str, reason: str, message: str) -> None:
        super().__init__(f"{what}: {message}")
        self.what = what
        self.reason = reason
        """The API's word, for example Forbidden or Invalid."""
        self.message = message


class ConflictError(RefusedError):
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


class ClusterWriter(Protocol):
    """Writes objects; raises as ClusterReader does."""

    def apply(self, manifest: Manifest, manager: str = FIELD_MANAGER) -> Manifest:
        """Apply a manifest on the server as `manager`, taking over the fields it has; return the object."""
        ...

    def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> None:
        """Delete that very object, and what it owns in the background; one that is gone is none of its concern."""
        ...

    def write_status(self, cache: Manifest, status: Manifest) -> None:
        """Make `status` the whole status of a cache; ConflictError: it has changed since it was read, or is gone."""
        ...

    def create(self, manifest: Manifest) -> Manifest:
        """Create an object; ConflictError: it is there."""
        ...


class Cluster(ClusterReader, ClusterWriter, Protocol):
    """A whole cluster."""
