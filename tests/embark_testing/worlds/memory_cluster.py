"""A cluster in memory, with as much of server-side apply as tests of reconciling need."""

import copy
import itertools
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from embark_operator.cluster.apis import Apis
from embark_operator.cluster.kinds import Kind, find_kind
from embark_operator.cluster.protocol import ConflictError
from embark_operator.names import FIELD_MANAGER, Manifest

DELETED = "2026-01-01T00:00:00Z"
_Id = tuple[Kind, str, str]


class MemoryCluster:
    """A Cluster; `writes` lists the write requests in order, `apis` is what it serves beyond Kubernetes' own APIs."""

    def __init__(self) -> None:
        self.objects: dict[_Id, Manifest] = {}
        self.writes: list[str] = []
        self.apis = Apis()
        self._applied: dict[_Id, dict[str, Manifest]] = {}
        self._versions = itertools.count(1)

    def read(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        return copy.deepcopy(self.objects.get((kind, namespace, name)))

    def find(self, kind: Kind, namespace: str, selector: str = "") -> Sequence[Manifest]:
        wanted = dict(part.split("=", 1) for part in selector.split(",") if part)
        return [
            copy.deepcopy(body)
            for (found, place, _), body in self.objects.items()
            if found == kind
            and namespace in ("", place)
            and wanted.items() <= body["metadata"].get("labels", {}).items()
        ]

    def served(self, api_versions: Iterable[str]) -> Apis:
        wanted = frozenset(api_versions)
        return Apis(frozenset(pair for pair in self.apis.kinds if pair[0] in wanted))

    def apply(self, manifest: Manifest, manager: str = FIELD_MANAGER) -> Manifest:
        place = _place(manifest)
        self.writes.append(f"apply {place[0].name} {place[2]}")
        live = self.objects.get(place)
        applied = self._applied.setdefault(place, {})
        before = applied.get(manager, {})
        applied[manager] = copy.deepcopy(manifest)
        if live is None:
            return self._store(place, copy.deepcopy(manifest))
        merged = _without(live, before, manifest)
        for others in applied.values():
            merged = _merged(merged, others)
        merged = _merged(merged, manifest)
        return copy.deepcopy(live) if merged == live else self._store(place, merged)

    def create(self, manifest: Manifest) -> Manifest:
        place = _place(manifest)
        self.writes.append(f"create {place[0].name} {place[2]}")
        if place in self.objects:
            raise ConflictError(place[2], "AlreadyExists", "it already exists")
        return self._store(place, copy.deepcopy(manifest))

    def replace(self, manifest: Manifest) -> Manifest:
        self._check_version(manifest)
        return self._store(_place(manifest), copy.deepcopy(manifest))

    def delete(self, kind: Kind, namespace: str, name: str, uid: str, *, foreground: bool = False) -> None:
        """Delete an object; in the foreground, it stays until `collect` is called."""
        self.writes.append(f"delete {kind.name} {name}")
        body = self.objects.get((kind, namespace, name))
        if body and body["metadata"]["uid"] == uid:
            if foreground:
                self.edit(kind, namespace, name, {"metadata": {"deletionTimestamp": DELETED}})
            else:
                del self.objects[kind, namespace, name]

    def write_status(self, cache: Manifest, status: Manifest) -> None:
        place = _place(cache)
        self.writes.append(f"status {place[2]}")
        self._check_version(cache)
        body = copy.deepcopy(self.objects[place])
        body["status"] = copy.deepcopy(status)
        self.objects[place] = body
        body["metadata"]["resourceVersion"] = str(next(self._versions))

    def write_finalizers(self, cache: Manifest, finalizers: Sequence[str]) -> Manifest:
        place = _place(cache)
        self.writes.append(f"finalizers {place[2]}")
        self._check_version(cache)
        body = copy.deepcopy(self.objects[place])
        body["metadata"]["finalizers"] = list(finalizers)
        stored = self._store(place, body)
        if not finalizers and body["metadata"].get("deletionTimestamp"):
            del self.objects[place]
        return stored

    def edit(self, kind: Kind, namespace: str, name: str, patch: Manifest) -> None:
        """Act as another client that changes an object."""
        place = (kind, namespace, name)
        self._store(place, _merged(self.objects[place], patch))

    def collect(self) -> None:
        """Act as the garbage collector: remove what was deleted and has no finalizer."""
        for place, body in list(self.objects.items()):
            if body["metadata"].get("deletionTimestamp") and not body["metadata"].get("finalizers"):
                del self.objects[place]

    def _check_version(self, manifest: Manifest) -> None:
        live = self.objects[_place(manifest)]
        if live["metadata"]["resourceVersion"] != manifest["metadata"]["resourceVersion"]:
            raise ConflictError(manifest["metadata"]["name"], "Conflict", "it was changed since it was read")

    def _store(self, place: _Id, body: Manifest) -> Manifest:
        before = self.objects.get(place)
        metadata = body["metadata"]
        metadata.setdefault("uid", str(uuid.uuid4()))
        metadata["resourceVersion"] = str(next(self._versions))
        changed = before is None or before.get("spec") != body.get("spec")
        metadata["generation"] = (before or {"metadata": {}})["metadata"].get("generation", 0) + changed
        self.objects[place] = body
        return copy.deepcopy(body)


def _place(manifest: Manifest) -> _Id:
    return find_kind(manifest), manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"]


def _merged(live: Any, wanted: Any) -> Any:
    if isinstance(live, dict) and isinstance(wanted, dict):
        return live | {name: _merged(live.get(name), value) for name, value in wanted.items()}
    return copy.deepcopy(wanted)


def _without(live: Any, before: Any, wanted: Any) -> Any:
    """Return `live` without the fields that were applied before and are no longer wanted."""
    if not (isinstance(live, dict) and isinstance(before, dict) and isinstance(wanted, dict)):
        return live
    removed = before.keys() - wanted.keys()
    return {
        name: _without(value, before.get(name), wanted.get(name)) for name, value in live.items() if name not in removed
    }
