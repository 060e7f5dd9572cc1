"""The finalizer of a cache whose keyspace is deleted with it; present while the spec has `deletionPolicy: Delete`.

These functions read the raw body of a cache: their answer must not depend on whether the rest of it can be parsed.
"""

from typing import Final

from embark.spec.backends import DeletionPolicy
from embark_operator.cluster.protocol import ClusterWriter
from embark_operator.names import Manifest

FINALIZER: Final = "embark.dev/keyspace"


def is_deleted(body: Manifest) -> bool:
    """Return whether the deletion of an object was requested, even if finalizers still keep it."""
    return bool(body["metadata"].get("deletionTimestamp"))


def drops_keyspace(body: Manifest) -> bool:
    """Return whether the keyspace of a cache is deleted with it."""
    store = body.get("spec", {}).get("store", {})
    return bool(store.get("deletionPolicy") == DeletionPolicy.DELETE)


def is_guarded(body: Manifest) -> bool:
    """Return whether a cache has the finalizer."""
    return FINALIZER in body["metadata"].get("finalizers", ())


def guard(cluster: ClusterWriter, body: Manifest) -> Manifest:
    """Add the finalizer to a cache that is not deleted, or remove it, as its policy requires; return the cache.

    Raises:
        ConflictError: the cache was changed since it was read.
    """
    if drops_keyspace(body) == is_guarded(body):
        return body
    if is_guarded(body):
        return release(cluster, body)
    return cluster.write_finalizers(body, [*body["metadata"].get("finalizers", ()), FINALIZER])


def release(cluster: ClusterWriter, body: Manifest) -> Manifest:
    """Remove the finalizer from a cache and return the cache; raises as `guard` does."""
    return cluster.write_finalizers(body, [kept for kept in body["metadata"]["finalizers"] if kept != FINALIZER])
