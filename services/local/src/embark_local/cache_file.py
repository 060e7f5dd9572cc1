"""The cache of a data folder as a resource: `cache.json` holds what an API server would hold of it."""

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import ValidationError

from embark.errors import EmbArkError, InvalidSpecError
from embark.manifest import parse_body
from embark.names import APPROVED
from embark.resources import (
    CacheConflictError,
    CacheNotFoundError,
    CacheRef,
    ResourceBody,
    ResourceScope,
    apply_merge_patch,
)
from embark.rollout.state import RolloutPhase
from embark.space import Space
from embark.spec import API_VERSION, KIND, EmbeddingCache
from embark.spec.status import EmbeddingCacheStatus

CACHE: Final = "cache.json"
FORMER: Final = "rollout.json"
"""What earlier versions kept instead; their folders cannot be continued."""
DECLARED: Final = "embark.dev/declared"
"""Annotation: sha256 of the spec that a manifest declared last."""
_LOCK: Final = "cache.lock"
_PHASES_WITH_CANDIDATE: Final = (
    RolloutPhase.AWAITING_APPROVAL,
    RolloutPhase.PREPARING,
    RolloutPhase.REEMBEDDING,
    RolloutPhase.VERIFYING,
    RolloutPhase.HALTED,
)


class CacheFileError(EmbArkError):
    """The folder has no cache, or one that cannot be read."""


class FileVersion(NamedTuple):
    """Changes with every write of the file."""

    inode: int
    modified: int
    size: int


class CacheFile:
    """One cache, which this process and others read and change; every write replaces the whole file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path = folder / CACHE

    @property
    def version(self) -> FileVersion | None:
        """The version of the file; None if there is none, or it cannot be read."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return FileVersion(found.st_ino, found.st_mtime_ns, found.st_size)

    def read(self) -> ResourceBody | None:
        """Return the resource, or None if the folder is new.

        Raises:
            CacheFileError: the file is damaged, or the folder is of an earlier version.
        """
        body = self._load()
        if body is not None:
            self.parse(body)
        return body

    def _load(self) -> ResourceBody | None:
        try:
            body = json.loads(self.path.read_bytes())
        except FileNotFoundError:
            if (self._folder / FORMER).exists():
                raise CacheFileError(
                    f"{self._folder} was written by an earlier version of embark local; "
                    "start with --fresh to delete its rows, or pass another --data"
                ) from None
            return None
        except OSError as error:
            raise CacheFileError(f"{self.path} cannot be read: {error}") from error
        except (ValueError, RecursionError) as error:
            raise self._unreadable(error) from error
        if not isinstance(body, dict) or not isinstance(body.get("metadata"), dict):
            raise self._unreadable("not a resource")
        fault = _find_metadata_fault(body["metadata"])
        if fault:
            raise self._unreadable(fault)
        return body

    def read_cache(self) -> EmbeddingCache:
        """Return the cache with its status.

        Raises:
            CacheFileError: there is no cache, or it cannot be read.
        """
        body = self._load()
        if body is None:
            raise _missing(self._folder)
        return self.parse(body)

    def parse(self, body: ResourceBody) -> EmbeddingCache:
        """Return the cache of a resource, with its status.

        Raises:
            CacheFileError: a field is unknown or has no valid value, or the status is not that of a rollout.
        """
        try:
            cache = parse_body({name: part for name, part in body.items() if name != "status"})
            status = EmbeddingCacheStatus.model_validate_json(json.dumps(body.get("status") or {}))
        except (InvalidSpecError, ValidationError) as error:
            raise self._unreadable(error) from error
        fault = _find_status_fault(status)
        if fault:
            raise self._unreadable(fault)
        return cache.model_copy(update={"status": status})

    def merge(self, change: ResourceBody) -> None:
        """Apply a JSON merge patch (RFC 7396).

        Raises:
            CacheConflictError: `change` has a metadata.resourceVersion, and the file has another one.
            CacheFileError: there is no cache, or it cannot be read or written.
            InvalidSpecError: the changed spec is not valid.
        """

        def apply(body: ResourceBody | None) -> ResourceBody:
            if body is None:
                raise _missing(self._folder)
            expected = change.get("metadata", {}).get("resourceVersion")
            if expected not in (None, body["metadata"]["resourceVersion"]):
                raise CacheConflictError(_ref(body))
            merged: ResourceBody = apply_merge_patch(body, change)
            return merged

        self.update(apply)

    def write_status(self, status: EmbeddingCacheStatus) -> None:
        """Replace the status, and return once it is on disk.

        Raises:
            CacheFileError: there is no cache, or it cannot be read or written.
        """

        def replace(body: ResourceBody | None) -> ResourceBody:
            if body is None:
                raise _missing(self._folder)
            return with_status(body, status)

        self.update(replace)

    def update(self, change: Callable[[ResourceBody | None], ResourceBody]) -> ResourceBody:
        """Write what `change` returns for the current resource, with its version and generation raised.

        Raises:
            CacheFileError: the file cannot be read or written.
            InvalidSpecError: the changed spec is not valid.
        """
        try:
            with self._locked():
                before = self.read()
                body = with_version(before, change(before))
                if before is None or before["spec"] != body["spec"]:
                    parse_body({name: part for name, part in body.items() if name != "status"})
                self._write(body)
                return body
        except OSError as error:
            raise CacheFileError(f"{self.path} cannot be written: {error}") from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _write(self, body: ResourceBody) -> None:
        temporary = self._folder / f"{CACHE}.new"
        with temporary.open("w") as file:
            json.dump(body, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.path)

    def _unreadable(self, reason: object) -> CacheFileError:
        return CacheFileError(
            f"{self.path} cannot be read: {reason}; restore it, or start with --fresh to delete the folder's rows"
        )


def _find_metadata_fault(metadata: ResourceBody) -> str:
    """Return what is wrong with the fields that this module writes itself; empty: nothing."""
    version, generation = metadata.get("resourceVersion"), metadata.get("generation")
    if not (isinstance(version, str) and version.isascii() and version.isdecimal()):
        return "metadata.resourceVersion is not a number in quotes"
    if type(generation) is not int:
        return "metadata.generation is not a whole number"
    if not isinstance(metadata.get("annotations", {}), dict):
        return "metadata.annotations is not a mapping"
    return ""


def _find_status_fault(status: EmbeddingCacheStatus) -> str:
    """Return why no rollout has this status; empty: one may have it."""
    spaces, rollout = status.spaces, status.rollout
    try:
        phase = RolloutPhase(rollout.phase)
    except ValueError as error:
        return f"status.rollout.phase: {error}"
    if phase in _PHASES_WITH_CANDIDATE and spaces.candidate is None:
        return f"status.spaces has no candidate, and the phase is {phase}"
    others = [space for space in (spaces.candidate, spaces.previous, spaces.dropped) if space]
    if spaces.active is None and (others or phase is not RolloutPhase.STEADY):
        return "status.spaces has no active space"
    for space in (spaces.active, *others):
        if space and space.id != Space.from_encoder(space.encoder).id:
            return f"status.spaces: {space.id} is not the space of its encoder"
    if rollout.since and rollout.since.tzinfo is None:
        return "status.rollout.since has no time zone"
    return ""


def with_version(before: ResourceBody | None, body: ResourceBody) -> ResourceBody:
    """Return `body` with the resourceVersion and generation that follow `before`, as an API server sets them."""
    version, generation = "1", 1
    if before is not None:
        changed = before["spec"] != body["spec"]
        version = str(int(before["metadata"]["resourceVersion"]) + 1)
        generation = before["metadata"]["generation"] + changed
    return body | {"metadata": body["metadata"] | {"resourceVersion": version, "generation": generation}}


def with_status(body: ResourceBody, status: EmbeddingCacheStatus) -> ResourceBody:
    """Return the resource with another status."""
    return body | {"status": status.model_dump(mode="json", by_alias=True, exclude_none=True)}


def with_manifest(body: ResourceBody | None, cache: EmbeddingCache, *, approved: bool) -> ResourceBody:
    """Return the resource after the manifest of `cache` is applied to it; `body` is None in a new folder.

    A manifest that has not changed since it was last applied does not touch the spec, so that what commands changed
    (a pause, a rollback) outlasts a restart. `approved` approves the space of its encoder.

    Raises:
        InvalidSpecError: the folder holds another cache, or the modality differs, so that the keys in the folder are
            not keys of the wanted space.
    """
    metadata = cache.metadata
    spec = cache.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    declared = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()
    if body is None:
        new = {"name": metadata.name, "namespace": metadata.namespace, "annotations": dict(metadata.annotations)}
        body = {"apiVersion": API_VERSION, "kind": KIND, "metadata": new, "spec": spec}
    before, modality = body["spec"]["encoder"].get("modality"), cache.spec.encoder.modality
    if before is not None and before != modality:
        message = f"is {before} in this folder and immutable; pass another --data, or --fresh"
        raise InvalidSpecError("spec.encoder.modality", message)
    if _ref(body) != CacheRef(metadata.namespace, metadata.name):
        message = f"this folder holds the {_ref(body)}; pass another --data, or --fresh"
        raise InvalidSpecError("metadata.name", message)
    annotations = body["metadata"].get("annotations", {}) | metadata.annotations
    if annotations.get(DECLARED) != declared:
        body = body | {"spec": spec}
    annotations[DECLARED] = declared
    if approved:
        annotations[APPROVED] = Space.from_encoder(cache.spec.encoder).id
    named = {"name": metadata.name, "namespace": metadata.namespace, "annotations": annotations}
    return body | {"metadata": body["metadata"] | named}


class FolderResources:
    """The CacheResources of a data folder, which holds one cache."""

    def __init__(self, folder: Path) -> None:
        self._file = CacheFile(folder)

    def read(self, ref: CacheRef) -> ResourceBody | None:
        """Return the cache if it is the one of this folder."""
        body = self._file.read()
        return body if body is not None and _ref(body) == ref else None

    def merge(self, ref: CacheRef, change: ResourceBody) -> None:
        """Apply a JSON merge patch to the cache of this folder."""
        if self.read(ref) is None:
            raise CacheNotFoundError(ref)
        self._file.merge(change)


@contextmanager
def open_folder(folder: Path) -> Iterator[ResourceScope]:
    """Open the cache of a data folder for the rollout commands.

    Raises:
        CacheFileError: the folder has no cache, or one that cannot be read.
    """
    file = CacheFile(folder)
    body = file.read()
    if body is None:
        raise _missing(folder)
    yield ResourceScope(FolderResources(folder), _ref(body).namespace)


def _ref(body: ResourceBody) -> CacheRef:
    return CacheRef(body["metadata"].get("namespace", "default"), body["metadata"]["name"])


def _missing(folder: Path) -> CacheFileError:
    return CacheFileError(f"{folder} has no {CACHE}; `embark local --data {folder}` creates it")
