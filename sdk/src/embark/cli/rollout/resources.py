"""What the commands ask of a cluster: a cache is read, and a change is merged into it."""

import json
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from pydantic import ValidationError

from embark.errors import InvalidSpecError
from embark.manifest import parse_body
from embark.spec import EmbeddingCache
from embark.spec.status import EmbeddingCacheStatus
from embark_operator.cluster.kinds import CACHE, Kind
from embark_operator.cluster.protocol import MissingError
from embark_operator.names import Manifest


class Place(NamedTuple):
    """Where a cache is."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """Return it as messages say it."""
        return f"{CACHE.name} {self.namespace}/{self.name}"


class Caches(Protocol):
    """Both raise UnavailableError while no API server answers, and RefusedError."""

    def read(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """Return an object, or None if there is none."""
        ...

    def merge(self, kind: Kind, namespace: str, name: str, change: Manifest) -> None:
        """Merge `change` into an object as RFC 7396 says: None takes a field away, a list is replaced.

        Raises:
            ConflictError: `change` has a metadata.resourceVersion, and the object has changed since that one.
            MissingError: there is no such object.
        """
        ...


@dataclass(frozen=True, slots=True)
class StoredCache:
    """A cache as it was read, and what has to be known of the reading in order to write."""

    cache: EmbeddingCache
    version: str
    """Its resourceVersion."""
    encoder: Manifest
    """spec.encoder as it is stored."""


def read_cache(caches: Caches, place: Place) -> StoredCache:
    """Return a cache, with the status as far as there is one.

    Raises:
        MissingError: there is none.
        InvalidSpecError: it has fields that this version does not know.
    """
    body = caches.read(CACHE, *place)
    if body is None:
        hint = f"there is none; `kubectl get {CACHE.plural} -n {place.namespace}` lists what is there"
        raise MissingError(str(place), "NotFound", hint)
    try:
        cache = parse_body({name: part for name, part in body.items() if name != "status"})
        status = EmbeddingCacheStatus.model_validate_json(json.dumps(body.get("status") or {}))
    except InvalidSpecError as error:
        raise InvalidSpecError(error.field, f"{error.message} ({_unknown(place)})") from None
    except ValidationError as error:
        field = ".".join(map(str, ("status", *error.errors()[0]["loc"])))
        raise InvalidSpecError(field, f"not of the form that is expected ({_unknown(place)})") from None
    cache = cache.model_copy(update={"status": status})
    return StoredCache(cache, body["metadata"]["resourceVersion"], body["spec"]["encoder"])


def _unknown(place: Place) -> str:
    return f"{place} is of another version of EmbArk than this command; install the cluster's version"
