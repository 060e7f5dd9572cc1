"""Manifests: the text of an EmbeddingCache in, the value or every fault of it out."""

import json
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
    return _parse(text)


def find_faults(text: str) -> Sequence[InvalidSpecError]:
    """Return every fault of a manifest, by field as a user writes it; empty: the manifest is good."""
    try:
        _parse(text)
    except InvalidSpecError as error:
        return [error]
    except ValidationError as error:
        faults = error.errors()
        return [_fault(details) for details in faults if not _follows(details, faults)]
    return []


def _parse(text: str) -> EmbeddingCache:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InvalidSpecError("(file)", f"not YAML: {' '.join(str(error).split())}") from None
    except (ValueError, RecursionError) as error:
        raise InvalidSpecError("(file)", f"not YAML that can be read: {error}") from None
    if not isinstance(document, dict):
        raise InvalidSpecError("(file)", "not a mapping; one EmbeddingCache is expected")
    try:
        # Dates, which YAML makes of metadata.creationTimestamp, are text in JSON.
        body = json.dumps(document, default=str)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidSpecError("(file)", f"has no form in JSON: {error}") from None
    # As the API server reads it: "16" is no integer and contact_points is no name of a field.
    return EmbeddingCache.model_validate_json(body, strict=True, by_alias=True, by_name=False)


def _follows(details: ErrorDetails, faults: Sequence[ErrorDetails]) -> bool:
    """Whether a list is called too short only because an item of it is faulty itself."""
    path = details["loc"]
    return details["type"] == "too_short" and any(
        len(other["loc"]) > len(path) and other["loc"][: len(path)] == path for other in faults
    )


def _fault(details: ErrorDetails) -> InvalidSpecError:
    path = ""
    for part in details["loc"]:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    message = details["msg"].removeprefix("Value error, ")
    if details["type"] == "missing":
        message = "required, and not given"
    elif details["type"] == "extra_forbidden":
        message = "no such field"
    elif details["type"] != "value_error":  # ours, which say the value where it matters
        message = f"{message[:1].lower()}{message[1:]}"
        if isinstance(details["input"], str | int | float | bool):
            message += f", not {details['input']!r}"
    return InvalidSpecError(path or "(file)", message)
