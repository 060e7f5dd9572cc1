"""Parsing of EmbeddingCache manifests, with every error by its field."""

import json
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from embark.errors import InvalidSpecError
from embark.spec import EmbeddingCache

_KEY = "[key]"  # the last part of pydantic's path if the key of a mapping is invalid, not its value


class _Loader(yaml.SafeLoader):
    """Rejects duplicate keys, as kubectl does; PyYAML would take the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002
        names = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        for key, _ in node.value:
            if names.count(key.value) > 1:
                raise yaml.constructor.ConstructorError(
                    "while reading a mapping", node.start_mark, f"duplicate key {key.value!r}", key.start_mark
                )
        return super().construct_mapping(node, deep)


def parse_manifest(text: str) -> EmbeddingCache:
    """Parse one YAML document.

    Raises:
        InvalidSpecError: the first error, by field.
    """
    return _raise_first_fault(lambda: _validate(_load(text)))


def parse_body(body: object) -> EmbeddingCache:
    """Parse an object as the Kubernetes API returns it; raises as parse_manifest does."""
    return _raise_first_fault(lambda: _validate(body))


def find_faults(text: str) -> Sequence[InvalidSpecError]:
    """Return every error of a manifest, by field as a user writes it; empty: the manifest is valid."""
    return _collect_faults(lambda: _validate(_load(text)))


def _raise_first_fault(parse: Callable[[], EmbeddingCache]) -> EmbeddingCache:
    faults = _collect_faults(parse)
    if faults:
        raise faults[0]
    return parse()


def _collect_faults(parse: Callable[[], EmbeddingCache]) -> Sequence[InvalidSpecError]:
    try:
        parse()
    except InvalidSpecError as error:
        return [error]
    except ValidationError as error:
        faults = error.errors()
        return [_fault(details) for details in faults if not _follows(details, faults)]
    return []


def _load(text: str) -> object:
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise InvalidSpecError("(file)", f"not YAML: {' '.join(str(error).split())}") from None
    except (ValueError, RecursionError) as error:
        raise InvalidSpecError("(file)", f"YAML that cannot be parsed: {error}") from None


def _validate(document: object) -> EmbeddingCache:
    if not isinstance(document, dict):
        raise InvalidSpecError("(file)", "not a mapping; one EmbeddingCache is expected")
    try:
        # YAML parses metadata.creationTimestamp as a date, which is text in JSON.
        body = json.loads(json.dumps(document, default=str), parse_float=_read_float)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidSpecError("(file)", f"cannot be converted to JSON: {error}") from None
    try:
        return _validate_json(body)
    except ValidationError as error:
        if not _drop_nulls(body, error.errors()):
            raise
    return _validate_json(body)


def _validate_json(body: dict[str, Any]) -> EmbeddingCache:
    # As the API server: "16" is not an integer and contact_points is not the name of a field.
    return EmbeddingCache.model_validate_json(json.dumps(body), strict=True, by_alias=True, by_name=False)


def _read_float(digits: str) -> float:
    """As the API server: 12.0 is a whole number."""
    number = float(digits)
    return int(number) if number.is_integer() else number


def _drop_nulls(body: dict[str, Any], faults: Sequence[ErrorDetails]) -> bool:
    """Remove fields that are null and must not be; return whether there were any.

    As the API server: a field that is null is not set; an unknown field is an error with any value.
    """
    nulls = [fault["loc"] for fault in faults if fault["input"] is None and fault["type"] != "extra_forbidden"]
    fields = [path for path in nulls if isinstance(path[-1], str)]
    for *parents, last in fields:
        target: Any = body
        for part in parents:
            target = target[part]
        del target[last]
    return bool(fields)


def _follows(details: ErrorDetails, faults: Sequence[ErrorDetails]) -> bool:
    """Return whether a list is reported as too short only because one of its items is invalid."""
    path = details["loc"]
    return details["type"] == "too_short" and any(
        len(other["loc"]) > len(path) and other["loc"][: len(path)] == path for other in faults
    )


def _fault(details: ErrorDetails) -> InvalidSpecError:
    parts = details["loc"]
    if parts[-1:] == (_KEY,):
        parts = parts[:-2]
    path = ""
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    message = details["msg"].removeprefix("Value error, ")
    if details["type"] == "missing":
        message = "required but not set"
    elif details["type"] == "extra_forbidden":
        message = "no such field"
    elif details["type"] != "value_error":  # our own messages have the value where it matters
        message = f"{message[:1].lower()}{message[1:]}"
        if isinstance(details["input"], str | int | float | bool):
            message += f", not {details['input']!r}"
    return InvalidSpecError(path or "(file)", message)
