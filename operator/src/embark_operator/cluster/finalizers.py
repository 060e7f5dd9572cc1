"""The finalizer of a cache whose keyspace goes with it: there while the spec says "Delete", and no longer.

What is asked here of a cache is asked of its raw body: the answer must not depend on whether the rest of it can be
parsed.
"""

from typing import Final

from embark.spec.backends import DeletionPolicy
from embark_operator.cluster.protocol import ClusterWriter
from embark_operator.names import Manifest

FINALIZER: Final = "embark.dev/keyspace"


def is_deleted(body: Manifest) -> bool:
    """Return whether somebody has deleted the cache, though finalizers may still keep it."""
    return bool(body["metadata"].get("deletionTimestamp"))


def drops_keyspace(body: Manifest) -> bool:
    """Return whether the cache's keyspace is to go with it."""
    store = body.get("spec", {}).get("store", {})
    return bool(store.get("deletionPolicy") == DeletionPolicy.DELETE)


def is_guarded(body: Manifest) -> bool:
    """Return whether the cache has the finalizer."""
    return FINALIZER in body["metadata"].get("finalizers", ())


def guard(cluster: ClusterWriter, body: Manifest) -> Manifest:
    """Return the cache, which is not deleted, with the finalizer where its policy asks for it, and else without.

    Raises:
        ConflictError: the cache was changed since it was read.
    """
    if drops_keyspace(body) == is_guarded(body):
        return body
    if is_guarded(body):
        return release(cluster, body)
    return cluster.write_finalizers(body, [*body["metadata"].get("finalizers", ()), FINALIZER])


def release(cluster: ClusterWriter, body: Manifest) -> Manifest:
    """Return the cache without the finalizer; raises as guard."""
    return cluster.write_finalizers(body, [kept for kept in body["metadata"]["finalizers"] if kept != FINALIZER])
