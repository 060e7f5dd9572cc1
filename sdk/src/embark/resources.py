"""Cache resources, in a cluster or in a data folder: the interface that reads and changes them."""

import json
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from pydantic import ValidationError

from embark.errors import EmbArkError, InvalidSpecError
from embark.manifest import parse_body
from embark.spec import KIND, EmbeddingCache
from embark.spec.status import EmbeddingCacheStatus

ResourceBody = dict[str, Any]
"""A cache as the API server returns it: apiVersion, kind, metadata, spec, status."""


class CacheRef(NamedTuple):
    """Identifies a cache."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """Return `EmbeddingCache namespace/name`, as messages show it."""
        return f"{KIND} {self.namespace}/{self.name}"


class CacheNotFoundError(EmbArkError):
    """There is no such cache."""

    def __init__(self, ref: CacheRef) -> None:
        super().__init__(f"{ref}: not found")
        self.ref = ref


class CacheConflictError(EmbArkError):
    """The cache has changed since it was read."""

    def __init__(self, ref: CacheRef) -> None:
        super().__init__(f"{ref}: has changed since it was read")
        self.ref = ref


class CacheResources(Protocol):
    """Reads caches and changes them; every method may raise UnavailableError or another EmbArkError."""

    def read(self, ref: CacheRef) -> ResourceBody | None:
        """Return a cache, or None if it does not exist."""
        ...

    def merge(self, ref: CacheRef, change: ResourceBody) -> None:
        """Apply `change` to a cache as a JSON merge patch (RFC 7396): None removes a field, a list is replaced.

        Raises:
            CacheConflictError: `change` has a metadata.resourceVersion, and the cache has another one.
            CacheNotFoundError: there is no such cache.
        """
        ...


class ResourceScope(NamedTuple):
    """An open cluster or data folder."""

    resources: CacheResources
    namespace: str
    """The namespace of commands that name none."""


@dataclass(frozen=True, slots=True)
class StoredCache:
    """A cache as it was read, with what a change of it needs."""

    cache: EmbeddingCache
    version: str
    """Its metadata.resourceVersion."""
    encoder: ResourceBody
    """Its spec.encoder as stored."""


def read_cache(resources: CacheResources, ref: CacheRef) -> StoredCache:
    """Return a cache with its status; the status has its defaults where none was reported yet.

    Raises:
        CacheNotFoundError: there is no such cache.
        InvalidSpecError: the cache has fields that this version of EmbArk does not know.
    """
    body = resources.read(ref)
    if body is None:
        raise CacheNotFoundError(ref)
    try:
        cache = parse_body({name: part for name, part in body.items() if name != "status"})
        status = EmbeddingCacheStatus.model_validate_json(json.dumps(body.get("status") or {}))
    except InvalidSpecError as error:
        raise InvalidSpecError(error.field, f"{error.message} ({_version_hint(ref)})") from None
    except ValidationError as error:
        field = ".".join(map(str, ("status", *error.errors()[0]["loc"])))
        raise InvalidSpecError(field, f"not in the expected format ({_version_hint(ref)})") from None
    cache = cache.model_copy(update={"status": status})
    return StoredCache(cache, body["metadata"]["resourceVersion"], body["spec"]["encoder"])


def apply_merge_patch(target: Any, patch: Any) -> Any:
    """Return `target` with a JSON merge patch applied (RFC 7396); neither is changed."""
    if not isinstance(patch, dict):
        return patch
    fields = target if isinstance(target, dict) else {}
    merged = fields | {name: apply_merge_patch(fields.get(name), value) for name, value in patch.items()}
    return {name: value for name, value in merged.items() if patch.get(name, ...) is not None}


def _version_hint(ref: CacheRef) -> str:
    return f"{ref} was written by another version of EmbArk; install the version that runs the cache"
