"""CacheResources in memory, as an API server without defaults keeps them."""

import copy

from embark.resources import (
    CacheConflictError,
    CacheNotFoundError,
    CacheRef,
    ResourceBody,
    apply_merge_patch,
)


class MemoryCaches:
    """CacheResources; `bodies` holds the caches."""

    def __init__(self) -> None:
        self.bodies: dict[CacheRef, ResourceBody] = {}

    def read(self, ref: CacheRef) -> ResourceBody | None:
        return copy.deepcopy(self.bodies.get(ref))

    def merge(self, ref: CacheRef, change: ResourceBody) -> None:
        live = self.bodies.get(ref)
        if live is None:
            raise CacheNotFoundError(ref)
        version = change.get("metadata", {}).get("resourceVersion")
        if version not in (None, live["metadata"]["resourceVersion"]):
            raise CacheConflictError(ref)
        self.put(ref, apply_merge_patch(live, copy.deepcopy(change)))

    def put(self, ref: CacheRef, body: ResourceBody) -> None:
        """Store `body` with the next resourceVersion, and the next generation if its spec has changed."""
        before = self.bodies.get(ref, {"metadata": {}})
        metadata = body["metadata"]
        metadata["resourceVersion"] = str(int(before["metadata"].get("resourceVersion", "0")) + 1)
        changed = before.get("spec") != body["spec"]
        metadata["generation"] = before["metadata"].get("generation", 0) + changed
        self.bodies[ref] = body
