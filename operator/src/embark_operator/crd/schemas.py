"""From pydantic's JSON schema of a class to a structural schema of the API server; the definition calls it.

Structural: every reference in its place, a type everywhere, nothing that only JSON Schema knows.
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from embark.spec.model import Model
from embark_operator.crd.rules import CHANGE_RULES, CLASS_RULES, Schema, rules_of_value

_REF: Final = "#/$defs/"
_INT32: Final = 2**31 - 1
_RULES: Final = {model.__name__: rules for model, rules in CLASS_RULES.items()}
# In this order they are read; whatever else a schema has follows.
_ORDER: Final = (
    *("description", "type", "x-kubernetes-int-or-string", "format", "default", "enum", "pattern"),
    *("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "required", "properties"),
)
_DROPPED: Final = ("title", "$defs", "patternProperties", "propertyNames", "x-least", "x-most", "anyOf")


class _WithEmptyDefaults(GenerateJsonSchema):
    """Gives a block or map that makes its own default the default `{}`: what is inside has defaults of its own."""

    def get_default_value(self, schema: core_schema.WithDefaultSchema) -> Any:
        return {} if "default_factory" in schema else super().get_default_value(schema)


def structural_schema(model: type[Model], path: str, *, with_defaults: bool) -> Schema:
    """Return the schema of `model`, which stands at `path` of the resource.

    A status has neither defaults nor rules: the operator alone writes it.
    """
    document = model.model_json_schema(by_alias=True, schema_generator=_WithEmptyDefaults)
    return _Walk(document.get("$defs", {}), with_defaults=with_defaults).structural(document, path)


class _Walk:
    def __init__(self, definitions: Mapping[str, Schema], *, with_defaults: bool) -> None:
        self._definitions = definitions
        self._with_defaults = with_defaults

    def structural(self, schema: Schema, path: str) -> Schema:
        schema = self._resolved(schema)
        made = {name: value for name, value in schema.items() if name not in _DROPPED}
        if not self._with_defaults or made.get("default", "") is None:
            made.pop("default", None)
        self._descend(schema, made, path)
        if made.get("type") == "integer":
            made.setdefault("format", "int32" if made.get("maximum", _INT32 + 1) <= _INT32 else "int64")
        if "x-kubernetes-int-or-string" in made:
            made["anyOf"] = [{"type": "integer"}, {"type": "string"}]
        rules = rules_of_value(schema) + _RULES.get(schema.get("title", ""), []) + CHANGE_RULES.get(path, [])
        if rules and self._with_defaults:
            made["x-kubernetes-validations"] = rules
            if made.get("default") == {}:
                # The API server judges a default by the rules before it fills in what is inside.
                parts = made.get("properties", {}).items()
                made["default"] = {name: part["default"] for name, part in parts if "default" in part}
        return {name: made[name] for name in sorted(made, key=_position)}

    def _descend(self, schema: Schema, made: Schema, path: str) -> None:
        if "properties" in schema:
            made.pop("additionalProperties", None)
            made["properties"] = {
                name: self.structural(part, f"{path}.{name}") for name, part in schema["properties"].items()
            }
        elif "patternProperties" in schema:
            (values,) = schema["patternProperties"].values()
            made["additionalProperties"] = self.structural(values, f"{path}.*")
        if "items" in schema:
            made["items"] = self.structural(schema["items"], f"{path}[]")

    def _resolved(self, schema: Schema) -> Schema:
        """Put what a reference, or the one choice beside null, stands for under what the field says itself."""
        if "anyOf" in schema:
            (choice,) = [part for part in schema["anyOf"] if part != {"type": "null"}]
            return self._resolved(choice) | {name: schema[name] for name in schema if name not in ("anyOf", "title")}
        if "$ref" in schema:
            target = self._definitions[schema["$ref"].removeprefix(_REF)]
            return self._resolved(target) | {name: schema[name] for name in schema if name != "$ref"}
        return schema


def _position(name: str) -> int:
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)
