"""Over 100 invalid caches, one mutation each, derived from the CRD.

`embark validate` and a real API server must reject every one and name its field.
"""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import yaml

from embark_operator.crd import build_definition
from embark_testing.caches import SAMPLES
from embark_testing.worlds.invalid_values import ABSENT, bad_values, good_items

Document = dict[str, Any]
Schema = dict[str, Any]
Path = tuple[str, ...]

# Violations of rules about several fields: the path, the value, and the field that the error names.
_BROKEN_RULES: list[tuple[str, Any, str]] = [
    ("spec.encoder.preprocessing", "text-256", "spec.encoder"),
    ("spec.encoder.modality", "text", "spec.encoder"),
    ("spec.encoder.role", "query", "spec.encoder"),
    ("spec.topic.retry.initialBackoff", "5m1ms", "spec.topic.retry"),
    ("spec.topic.retry.maxBackoff", "999ms", "spec.topic.retry"),
    ("spec.tls.clientCertificates", True, "spec.tls"),
    ("spec.tls.issuer.name", "authority", "spec.tls"),
    ("spec.tls", {"secret": "tls", "authorizedIdentities": ["ranker"]}, "spec.tls"),
    ("spec.tenants", [{"name": "ads", "missesPerSecond": rate} for rate in (1, 2)], "spec.tenants"),
    *[
        (f"spec.{part}.scheduling.tolerations", tolerations, f"spec.{part}.scheduling.tolerations[1]")
        for part in ("embark", "kfc", "retina")
        for tolerations in (
            [good_items("tolerations"), {"operator": "Equal", "value": "a"}],
            [good_items("tolerations"), {"key": "a", "operator": "Exists", "value": "b"}],
            [good_items("tolerations"), {"key": "a", "tolerationSeconds": 1}],
            [good_items("tolerations"), {"key": "a", "effect": "NoSchedule", "tolerationSeconds": 1}],
        )
    ],
    ("spec.miss.oov", "Vector", "spec.miss"),
    ("spec.miss.oovVectorConfigMap", "oov", "spec.miss"),
    *[(f"spec.{part}", {"replicas": 2, "autoscaling": {}}, f"spec.{part}") for part in ("embark", "kfc", "retina")],
    *[
        (f"spec.{part}.autoscaling", {"min": 3, "max": 2}, f"spec.{part}.autoscaling")
        for part in ("embark", "kfc", "retina")
    ],
    ("spec.embark.autoscaling.min", 11, "spec.embark.autoscaling"),  # exceeds the default max
    *[
        (f"spec.{part}.resources", {"requests": requests, "limits": limits}, f"spec.{part}.resources")
        for part in ("embark", "kfc", "retina")
        for requests, limits in (
            ({"cpu": "1001m"}, {"cpu": 1}),
            ({"cpu": 1, "memory": "1.5Gi"}, {"cpu": 1, "memory": "1G"}),
        )
    ],
]
# A name that is not text is rejected too, but by the API server's own type of metadata.
_NAMES = ("a" * 41, "7up", "Photos", "photos-", "my.photos", "my_photos")


@dataclass(frozen=True)
class InvalidCache:
    """A manifest with one error in `field`; `unknown` if the resource does not have that field."""

    name: str
    manifest: Document
    field: str
    unknown: bool = False


def invalid_caches() -> Iterator[InvalidCache]:
    """Yield all of them."""
    schema = cache_schema()
    yield from (
        InvalidCache(f"name {name!r:.20}", changed(("metadata", "name"), name), "metadata.name") for name in _NAMES
    )
    yield from _invalid_at(schema["properties"]["spec"], ("spec",), required=True)
    for path, value, field in _BROKEN_RULES:
        yield InvalidCache(f"{path}: {value}", changed(tuple(path.split(".")), value), field)


def cache_schema() -> Schema:
    """Return the schema of the resource's only version."""
    (version,) = build_definition()["spec"]["versions"]
    schema: Schema = version["schema"]["openAPIV3Schema"]
    return schema


def walk_schema(schema: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    """Yield every schema within `schema` with its path; `[]` is an item of a list or a value of a map."""
    yield path, schema
    for name, part in schema.get("properties", {}).items():
        yield from walk_schema(part, f"{path}.{name}")
    for name in ("items", "additionalProperties"):
        if name in schema:
            yield from walk_schema(schema[name], f"{path}[]")


def valid_manifest() -> Document:
    """Return the valid manifest from which each invalid one differs by one value."""
    document: Document = yaml.safe_load((SAMPLES / "photos.yaml").read_text())
    return document


def _invalid_at(schema: Schema, path: Path, *, required: bool = False) -> Iterator[InvalidCache]:
    field = ".".join(path)
    for what, value in bad_values(schema, path[-1]):
        yield InvalidCache(f"{field}: {what}", changed(path, value), field)
    if required:
        yield InvalidCache(f"{field}: absent", changed(path, ABSENT), field)
        yield InvalidCache(f"{field}: null", changed(path, None), field)
    if "properties" in schema:
        unknown = (*path, "noSuchField")
        yield InvalidCache(f"{field}: unknown field", changed(unknown, 1), ".".join(unknown), unknown=True)
    for name, part in schema.get("properties", {}).items():
        yield from _invalid_at(part, (*path, name), required=name in schema.get("required", ()))
    if "additionalProperties" in schema:
        for what, value in bad_values(schema["additionalProperties"], "cpu"):
            yield InvalidCache(f"{field}.cpu: {what}", changed((*path, "cpu"), value), f"{field}.cpu")
    if "items" in schema:
        yield from _invalid_items(schema["items"], path)


def _invalid_items(schema: Schema, path: Path) -> Iterator[InvalidCache]:
    """Yield lists whose second item is invalid."""
    good = good_items(path[-1])
    where = f"{'.'.join(path)}[1]"
    for what, value in bad_values(schema, path[-1]):
        yield InvalidCache(f"{where}: {what}", changed(path, [good, value]), where)
    for name, part in schema.get("properties", {}).items():
        absent = [("absent", ABSENT)] if name in schema.get("required", ()) else []
        for what, value in (*bad_values(part, name), *absent):
            item = {other: good[other] for other in good if other != name}
            if value is not ABSENT:
                item[name] = value
            yield InvalidCache(f"{where}.{name}: {what}", changed(path, [good, item]), f"{where}.{name}")


def changed(path: Path, value: Any) -> Document:
    """Return the valid manifest with another value at `path`."""
    document = deepcopy(valid_manifest())
    target = document
    for part in path[:-1]:
        target = target.setdefault(part, {})
    if value is ABSENT:
        del target[path[-1]]
    else:
        target[path[-1]] = value
    return document
