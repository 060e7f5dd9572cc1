"""Values that a schema of the CRD rejects, for each of its constraints."""

import re
from collections.abc import Iterator
from typing import Any

from embark.spec.networks import NETWORK_PATTERN
from embark.spec.quantities import DURATION_PATTERN

Schema = dict[str, Any]
Bad = tuple[str, Any]

ABSENT = object()
"""Marks a field to be removed."""

_WRONG_TYPES: dict[str, tuple[Any, ...]] = {
    "string": (7, True),
    "integer": ("7", 1.5),
    "boolean": ("yes", 1),
    "array": ("text",),
    "object": ("text", ["text"]),
    "int-or-string": (True, 1.5),
}
_GOOD_ITEMS: dict[str, Any] = {
    "schemes": "https",
    "allowedPrivateNetworks": "10.0.0.0/8",
    "contactPoints": "cassandra",
    "bootstrapServers": "kafka:9092",
    "authorizedClients": {"serviceAccount": "trainer", "namespace": "training"},
    "clients": {"namespace": "ads", "pods": "app=ranker"},
    "tenants": {"name": "ads", "missesPerSecond": 10},
    "identities": "ranker.ads",
    "authorizedIdentities": "spiffe://cluster.local/ns/ads/sa/*",
    "tolerations": {"key": "gpu", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60},
    "monitoring": {"namespace": "monitoring", "pods": "app=prometheus"},
}

_BAD_NAMES: dict[str, tuple[str, ...]] = {
    "nodeSelector": ("-zone", "zone of it", "example.com/", "Example.com/zone", f"example.com/{'a' * 242}"),
}
_BAD_RESOURCES = ("cpus", "Memory", "example.com/", f"example.com/{'a' * 253}")


def good_items(name: str) -> Any:
    """Return a valid item of the list `name`."""
    return _GOOD_ITEMS[name]


def bad_values(schema: Schema, name: str) -> Iterator[Bad]:
    """Yield invalid values of the field `name`, each with what is wrong with it."""
    kind = "int-or-string" if "x-kubernetes-int-or-string" in schema else schema["type"]
    for value in _WRONG_TYPES[kind]:
        yield f"{value!r} for {kind}", value
    if "enum" in schema:
        yield "none of the enum", "no-such-value"
    yield from _out_of_range(schema, name)
    if "pattern" in schema:
        text = next(text for text in ("", "no such value", "-") if not re.search(schema["pattern"], text))
        yield f"{text!r} against the pattern", text
    yield from _against_rules(schema, name)


def _out_of_range(schema: Schema, name: str) -> Iterator[Bad]:
    if "minimum" in schema:
        yield "below the minimum", schema["minimum"] - 1
    if "maximum" in schema:
        yield "above the maximum", schema["maximum"] + 1
    if schema.get("minLength"):
        yield "too short", ""
    if "maxLength" in schema:
        yield "too long", "a" * (schema["maxLength"] + 1)
    if "minItems" in schema:
        yield "too few", []
    if "maxItems" in schema:
        yield "too many", [good_items(name)] * (schema["maxItems"] + 1)
    if "maxProperties" in schema:
        yield "too many", {f"example.com/resource-{number}": "1" for number in range(schema["maxProperties"] + 1)}


def _against_rules(schema: Schema, name: str) -> Iterator[Bad]:
    """Yield values of the right type and pattern that only a CEL rule rejects."""
    if schema.get("pattern") == NETWORK_PATTERN:
        for text in ("10.0.0.1/8", "10.0.0.0/33", "256.0.0.0/8", "fd00::1/8", "::ffff:10.0.0.0/104", "1/8"):
            yield f"invalid network {text}", text
    if "maxProperties" in schema:
        for key in _BAD_NAMES.get(name, _BAD_RESOURCES):
            yield f"invalid name {key:.20}", {key: "1"}
    for rule in schema.get("x-kubernetes-validations", []):
        bounds = re.fullmatch(r"must be a (?:duration|size) between (\S+) and (\S+)", rule["message"])
        if bounds and schema["pattern"] == DURATION_PATTERN:
            yield "exceeds the longest duration", f"{bounds[2]}1ms"
            yield "too long a duration", "999999999h999999999h"
            if bounds[1] != "0s":
                yield "zero time", "0ms"
        elif bounds:
            yield "exceeds the largest size", f"{int(bounds[2].removesuffix('Gi')) + 1}Gi"
            yield "exceeds the largest size, as a number", 2**40 + 1
            if bounds[1] != "0":
                yield "zero bytes", 0
                yield "zero bytes, as text", "0Ki"
