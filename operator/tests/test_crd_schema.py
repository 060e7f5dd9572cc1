"""The CRD has everything that the spec has, as a structural schema."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from embark.manifest import parse_manifest
from embark.spec import EmbeddingCache
from embark.spec.model import Model
from embark_operator.crd import build_definition, render_definition
from embark_operator.crd.rules import CHANGE_RULES, CLASS_RULES
from embark_testing.worlds.invalid_caches import cache_schema, valid_manifest, walk_schema

ROOT = Path(__file__).parents[2]
SPEC = cache_schema()["properties"]["spec"]
STATUS = cache_schema()["properties"]["status"]


PARTS = dict(walk_schema(SPEC, "spec")) | dict(walk_schema(STATUS, "status"))
RULES = {path: part["x-kubernetes-validations"] for path, part in PARTS.items() if "x-kubernetes-validations" in part}


@pytest.mark.parametrize("path", PARTS)
def test_every_field_has_a_type_and_a_description(path: str) -> None:
    part = PARTS[path]
    assert ("type" in part) != ("x-kubernetes-int-or-string" in part)
    assert part.get("description") or path.endswith("[]")


@pytest.mark.parametrize("path", PARTS)
def test_every_part_is_structural(path: str) -> None:
    part = PARTS[path]
    assert not {"$ref", "$defs", "title", "patternProperties", "propertyNames", "oneOf", "x-min"} & part.keys()
    assert not {"properties", "additionalProperties"} <= part.keys()
    assert part.get("additionalProperties") is not False
    assert ("anyOf" in part) == ("x-kubernetes-int-or-string" in part)


@pytest.mark.parametrize("path", [path for path in PARTS if path.startswith("spec")])
def test_every_value_of_the_spec_is_bounded(path: str) -> None:
    part = PARTS[path]
    bounds = {
        "string": {"maxLength"} if "enum" not in part else set(),
        "integer": {"minimum", "maximum"},
        "array": {"maxItems"},
        "object": {"maxProperties"} if "additionalProperties" in part else set(),
    }
    assert bounds.get(part.get("type", "string"), set()) <= part.keys()


def walk_values(value: object, path: str = "spec") -> Iterator[tuple[str, object]]:
    if isinstance(value, dict) and value:
        for name, part in value.items():
            yield from walk_values(part, f"{path}.{name}")
    else:
        yield path, value


def test_fields_that_are_not_set_have_the_defaults_of_the_spec() -> None:
    manifest = valid_manifest()
    given = dict(walk_values(manifest["spec"]))
    defaulted = dict(walk_values(_with_defaults(SPEC, manifest["spec"])))
    cache = parse_manifest(yaml.safe_dump(manifest | {"spec": _with_defaults(SPEC, manifest["spec"])}))
    assert cache == parse_manifest(yaml.safe_dump(manifest))
    spoken = cache.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert given.keys() < defaulted.keys()
    assert {path for path, _ in walk_values(spoken)} == defaulted.keys()


def test_scaling_has_no_default_because_replicas_would_exclude_it() -> None:
    for part in ("embark", "kfc", "retina"):
        assert not {"default"} & PARTS[f"spec.{part}.autoscaling"].keys()
        assert not {"default"} & PARTS[f"spec.{part}.replicas"].keys()


def test_a_status_has_no_defaults() -> None:
    assert [path for path, part in PARTS.items() if path.startswith("status") and "default" in part] == []


def _with_defaults(schema: dict[str, Any], value: Any) -> Any:
    """Set defaults as the API server does: a block that is set by default gets the defaults of its fields."""
    if not isinstance(value, dict):
        return value
    filled = dict(value)
    for name, part in schema.get("properties", {}).items():
        if name not in filled and "default" in part:
            filled[name] = part["default"]
        if name in filled:
            filled[name] = _with_defaults(part, filled[name])
    return filled


def test_every_validator_of_the_spec_has_its_rule() -> None:
    validated = {model for model in _walk_models(EmbeddingCache) if model.__pydantic_decorators__.model_validators}
    assert set(CLASS_RULES) == validated


def test_every_rule_is_in_the_crd_with_a_message() -> None:
    messages = {rule["message"] for rules in RULES.values() for rule in rules}
    assert {rule["message"] for rules in CLASS_RULES.values() for rule in rules} <= messages
    assert CHANGE_RULES.keys() <= RULES.keys()
    assert all(rule["message"] for rules in RULES.values() for rule in rules)


def _walk_models(model: type[Model]) -> Iterator[type[Model]]:
    yield model
    for field in model.model_fields.values():
        for part in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(part, type) and issubclass(part, Model):
                yield from _walk_models(part)


def test_every_column_shows_a_field_of_the_resource() -> None:
    (version,) = build_definition()["spec"]["versions"]
    columns = version["additionalPrinterColumns"]
    names = [column["name"] for column in columns if not column.get("priority")]
    assert names == ["READY", "MODEL", "SPACE", "HIT%", "COVERAGE", "LAG", "PHASE", "AGE"]
    for column in columns:
        path = re.sub(r"\[\?.*\]", "[]", column["jsonPath"].removeprefix("."))
        assert path == "metadata.creationTimestamp" or PARTS[path]["type"] == column["type"]


def test_the_subresources_read_fields_of_the_resource() -> None:
    (version,) = build_definition()["spec"]["versions"]
    for path in version["subresources"]["scale"].values():
        assert path.removeprefix(".") in PARTS


@pytest.mark.parametrize("file", ["crds/embark.dev_embeddingcaches.yaml", "charts/embark/files/embeddingcaches.yaml"])
def test_a_committed_file_is_generated_from_the_spec(file: str) -> None:
    text = (ROOT / file).read_text()
    assert text == render_definition(), "run make generate"
    assert text.startswith("# Generated from sdk/src/embark/spec by `make generate`")
