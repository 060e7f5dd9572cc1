"""What there is in the cluster of the end of a cache's keyspace; `deletions` decides by it.

The cache does not own it: a deletion in the foreground would take it along at once.
"""

from collections.abc import Sequence
from typing import Final

from embark_operator.cluster import kinds
from embark_operator.cluster.finalizers import is_deleted
from embark_operator.cluster.kinds import CONFIG_MAP, JOB, POD, SERVICE_ACCOUNT, Child, child_of
from embark_operator.cluster.protocol import ClusterReader
from embark_operator.names import CACHE_LABEL, COMPONENT_LABEL, DROP_KEYSPACE, Manifest, child_selector
from embark_operator.result import Key

_DROP_KINDS: Final = (SERVICE_ACCOUNT, CONFIG_MAP, JOB)


def find_drop(cluster: ClusterReader, key: Key) -> dict[Child, Manifest]:
    """Return the objects that drop the keyspace of a cache."""
    selector = f"{child_selector(key.name)},{COMPONENT_LABEL}={DROP_KEYSPACE}"
    found = [body for kind in _DROP_KINDS for body in cluster.find(kind, key.namespace, selector)]
    return {child_of(body): body for body in found}


def drops_any(body: Manifest) -> bool:
    """Return whether an object, or a pod, drops the keyspace of a cache."""
    return bool(body["metadata"].get("labels", {}).get(COMPONENT_LABEL) == DROP_KEYSPACE)


def drops_of(key: Key, body: Manifest) -> bool:
    """Return whether an object drops the keyspace of that cache."""
    return drops_any(body) and bool(body["metadata"]["labels"].get(CACHE_LABEL) == key.name)


def find_pods(cluster: ClusterReader, key: Key) -> Sequence[Manifest]:
    """Return every pod of a cache, by name."""
    pods = cluster.find(POD, key.namespace, f"{CACHE_LABEL}={key.name}")
    return sorted(pods, key=lambda pod: str(pod["metadata"]["name"]))


def find_sharer(cluster: ClusterReader, body: Manifest) -> str:
    """Return a cache of the namespace that has the keyspace of a deleted one, and stays; empty: there is none."""
    others = cluster.find(kinds.CACHE, body["metadata"]["namespace"])
    sharers = [other["metadata"]["name"] for other in others if not is_deleted(other) and _shares(body, other)]
    return next(iter(sorted(sharers)), "")


def keyspace_of(body: Manifest) -> str:
    """Return the name of a cache's keyspace."""
    name: str = body["spec"]["store"]["cassandra"]["keyspace"]
    return name


def _shares(body: Manifest, other: Manifest) -> bool:
    mine, its = (cache["spec"]["store"]["cassandra"] for cache in (body, other))
    return bool(mine["keyspace"] == its["keyspace"] and not set(mine["contactPoints"]).isdisjoint(its["contactPoints"]))
