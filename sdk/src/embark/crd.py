"""Manifests: the text of an EmbeddingCache in, the value or every fault of it out."""

from collections.abc import Sequence

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from embark.errors import InvalidSpecError
from embark.spec import EmbeddingCache


def parse_manifest(text: str) -> EmbeddingCache:
    """Parse one YAML document.

    Raises:
        InvalidSpecError: the first fault, by field.
    """
    faults = find_faults(text)
    if faults:
        raise faults[0]
    return EmbeddingCache.model_validate(yaml.safe_load(text))


def find_faults(text: str) -> Sequence[InvalidSpecError]:
    """Return every fault of a manifest, by field as a user writes it; empty: the manifest is good."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        return [InvalidSpecError("(file)", f"not YAML: {' '.join(str(error).split())}")]
    if not isinstance(document, dict):
        return [InvalidSpecError("(file)", "not a mapping; one EmbeddingCache is expected")]
    try:
        EmbeddingCache.model_validate(document)
    except ValidationError as error:
        return [_fault(details) for details in error.errors()]
    return []


def _fault(details: ErrorDetails) -> InvalidSpecError:
    path = ""
    for part in details["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    message = details["msg"].removeprefix("Value error, ")
    if details["type"] == "missing":
        message = "required, and not given"
    elif details["type"] == "extra_forbidden":
        message = "no such field"
    elif "input" in details and isinstance(details["input"], str | int | float | bool):
        message = f"{message[:1].lower()}{message[1:]}" + (
            "" if repr(details["input"]) in message else f", not {details['input']!r}"
        )
    return InvalidSpecError(path or "(file)", message)
