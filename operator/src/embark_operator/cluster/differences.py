"""Compares a child with its live object, so that a cache at rest costs no writes.

A dry run of server-side apply would give the same answer, but for one write request per child and reconcile, each
through admission webhooks and the API server's write limits; this compares with objects that were read anyway.
"""

from collections.abc import Mapping
from typing import Any, Final

from embark_operator.names import Manifest

# By which fields the API server merges the items of a list (listMapKeys of Kubernetes' API); of several, the first that
# all wanted items have. Every other list is compared as a whole, in its order.
_KEYS: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "containers": (("name",),),
    "initContainers": (("name",),),
    "volumes": (("name",),),
    "env": (("name",),),
    "imagePullSecrets": (("name",),),
    "volumeMounts": (("mountPath",),),
    "ports": (("containerPort", "protocol"), ("port", "protocol")),
    "ownerReferences": (("uid",),),
    "topologySpreadConstraints": (("topologyKey", "whenUnsatisfiable"),),
}


def differs(wanted: Manifest, live: Manifest) -> bool:
    """Return whether any field of `wanted` is absent from `live` or has another value there.

    What others added to `live` (labels, annotations, sidecars, defaults, status) does not count. A field that is no
    longer wanted changes the hash that `build_child` adds to every manifest.
    """
    return _differ(wanted, live, "")


def _differ(wanted: Any, live: Any, field: str) -> bool:
    if isinstance(wanted, Mapping):
        return not isinstance(live, Mapping) or any(
            name not in live or _differ(value, live[name], name) for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        return not isinstance(live, list) or _lists_differ(wanted, live, field)
    # True equals 1 in Python, but not in an API.
    return type(wanted) is not type(live) or bool(wanted != live)


def _lists_differ(wanted: list[Any], live: list[Any], field: str) -> bool:
    for keys in _KEYS.get(field, ()):
        if all(isinstance(item, Mapping) and item.keys() >= set(keys) for item in wanted):
            found = {_key(item, keys): item for item in live if isinstance(item, Mapping)}
            return any(_key(item, keys) not in found or _differ(item, found[_key(item, keys)], "") for item in wanted)
    return len(wanted) != len(live) or any(_differ(*pair, "") for pair in zip(wanted, live, strict=True))


def _key(item: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(item.get(key) for key in keys)
