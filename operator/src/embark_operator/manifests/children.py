"""What every child of a cache has in common: its name, its labels and its owner."""

import hashlib
import json
from dataclasses import dataclass
from typing import Final

from embark.spec import API_VERSION, KIND, EmbeddingCache
from embark_operator.names import Manifest, child_labels, selector_labels

MANIFEST_HASH: Final = "embark.dev/manifest-hash"
"""The hash of the whole manifest: it changes with a field that is no longer wanted, which apply then removes."""

_HASH_LENGTH: Final = 16


@dataclass(frozen=True, slots=True)
class Component:
    """One component of one cache: EmbArk, or a part of one space."""

    cache: EmbeddingCache
    uid: str
    """The cache's; if empty, the cache does not own the objects."""
    title: str
    """embark, kfc, retina, or the name of a Job: schema, reembed, verify, drop, drop-keyspace."""
    name: str
    """The name of its objects, unless `build_child` is given another."""
    space_id: str = ""

    @property
    def selector(self) -> dict[str, str]:
        """The labels that select the component's pods."""
        return selector_labels(self.cache, self.title, self.space_id)

    @property
    def labels(self) -> dict[str, str]:
        """The labels of the component's objects."""
        return child_labels(self.cache, self.title, self.space_id)


def build_child(component: Component, api_version: str, kind: str, body: Manifest, name: str = "") -> Manifest:
    """Return an object of a component, owned by the cache if its uid is known; `body` has all but the metadata."""
    metadata: Manifest = {
        "name": name or component.name,
        "namespace": component.cache.metadata.namespace,
        "labels": component.labels,
    }
    if component.uid:
        metadata["ownerReferences"] = [_owner(component)]
    manifest = {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}
    annotations = {MANIFEST_HASH: canonical_hash(manifest)}
    return manifest | {"metadata": metadata | {"annotations": annotations}}


def canonical_hash(value: object, length: int = _HASH_LENGTH) -> str:
    """Return the first hex digits of sha256 over the canonical JSON of `value`."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:length]


def _owner(component: Component) -> Manifest:
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": component.cache.metadata.name,
        "uid": component.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
