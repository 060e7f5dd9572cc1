"""Conversion of pydantic's JSON schema of a class to a structural schema of the API server.

Structural: references are resolved, everything has a type, and only what the API server knows is used.
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from embark.spec.model import Model
from embark_operator.crd.rules import CHANGE_RULES, CLASS_RULES, Schema, build_value_rules

_REF: Final = "#/$defs/"
_INT32: Final = 2**31 - 1
_RULES: Final = {model.__name__: rules for model, rules in CLASS_RULES.items()}
# The order for readers; other keys follow.
_ORDER: Final = (
    *("description", "type", "x-kubernetes-int-or-string", "format", "default", "enum", "pattern"),
    *("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "required", "properties"),
)
_DROPPED: Final = ("title", "$defs", "patternProperties", "propertyNames", "x-min", "x-max", "anyOf")


class _WithEmptyDefaults(GenerateJsonSchema):
    """Uses `{}` as the default of a field with a default factory: the fields inside have their own defaults."""

    def get_default_value(self, schema: core_schema.WithDefaultSchema) -> Any:
        return {} if "default_factory" in schema else super().get_default_value(schema)


def structural_schema(model: type[Model], path: str, *, with_defaults: bool) -> Schema:
    """Return the schema of `model`, which is at `path` of the resource.

    A status has neither defaults nor rules, because only the operator writes it.
    """
    document = model.model_json_schema(by_alias=True, schema_generator=_WithEmptyDefaults)
    return _Walk(document.get("$defs", {}), with_defaults=with_defaults).structural(document, path)


class _Walk:
    def __init__(self, definitions: Mapping[str, Schema], *, with_defaults: bool) -> None:
        self._definitions = definitions
        self._with_defaults = with_defaults

    def structural(self, schema: Schema, path: str) -> Schema:
        schema = self._resolved(schema)
        built = {name: value for name, value in schema.items() if name not in _DROPPED}
        if not self._with_defaults or built.get("default", "") is None:
            built.pop("default", None)
        self._descend(schema, built, path)
        if built.get("type") == "integer":
            built.setdefault("format", "int32" if built.get("maximum", _INT32 + 1) <= _INT32 else "int64")
        if "x-kubernetes-int-or-string" in built:
            built["anyOf"] = [{"type": "integer"}, {"type": "string"}]
        rules = build_value_rules(schema) + _RULES.get(schema.get("title", ""), []) + CHANGE_RULES.get(path, [])
        if rules and self._with_defaults:
            built["x-kubernetes-validations"] = rules
            if built.get("default") == {}:
                # The API server checks a default by the rules before it sets the defaults inside of it.
                parts = built.get("properties", {}).items()
                built["default"] = {name: part["default"] for name, part in parts if "default" in part}
        return {name: built[name] for name in sorted(built, key=_position)}

    def _descend(self, schema: Schema, built: Schema, path: str) -> None:
        if "properties" in schema:
            built.pop("additionalProperties", None)
            built["properties"] = {
                name: self.structural(part, f"{path}.{name}") for name, part in schema["properties"].items()
            }
        elif "patternProperties" in schema:
            (values,) = schema["patternProperties"].values()
            built["additionalProperties"] = self.structural(values, f"{path}.*")
        if "items" in schema:
            built["items"] = self.structural(schema["items"], f"{path}[]")

    def _resolved(self, schema: Schema) -> Schema:
        """Replace a reference, or the one choice other than null, by its schema; the field's own keys win."""
        if "anyOf" in schema:
            (choice,) = [part for part in schema["anyOf"] if part != {"type": "null"}]
            return self._resolved(choice) | {name: schema[name] for name in schema if name not in ("anyOf", "title")}
        if "$ref" in schema:
            target = self._definitions[schema["$ref"].removeprefix(_REF)]
            return self._resolved(target) | {name: schema[name] for name in schema if name != "$ref"}
        return schema


def _position(name: str) -> int:
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)
