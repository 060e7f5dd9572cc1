"""Whether a child on the cluster is still what was asked for; reconcile writes nothing where it is."""

from collections.abc import Mapping
from typing import Any, Final

from embark_operator.names import Manifest

# What the API server merges the items of a list by (listMapKeys of Kubernetes' API); of several, the first one that the
# wanted items have. The items of every other list are its own, in their order.
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

    What others have added to `live` (labels, annotations, sidecars, defaults, status) does not count. A field that was
    asked for once and is no longer wanted shows in the hash that `build_child` stamps on every manifest.
    """
    return _differ(wanted, live, "")


def _differ(wanted: Any, live: Any, field: str) -> bool:
    if isinstance(wanted, Mapping):
        return not isinstance(live, Mapping) or any(
            name not in live or _differ(value, live[name], name) for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        return not isinstance(live, list) or _lists_differ(wanted, live, field)
    # True is 1 for Python, and not for an API.
    return type(wanted) is not type(live) or bool(wanted != live)


def _lists_differ(wanted: list[Any], live: list[Any], field: str) -> bool:
    for keys in _KEYS.get(field, ()):
        if all(isinstance(item, Mapping) and item.keys() >= set(keys) for item in wanted):
            found = {_key(item, keys): item for item in live if isinstance(item, Mapping)}
            return any(_key(item, keys) not in found or _differ(item, found[_key(item, keys)], "") for item in wanted)
    return len(wanted) != len(live) or any(_differ(*pair, "") for pair in zip(wanted, live, strict=True))


def _key(item: Mapping[str, Any], keys: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(item.get(key) for key in keys)
