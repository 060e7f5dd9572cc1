"""How answers are printed: as a table for people, as one JSON object a key for programs."""

import json
from collections.abc import Sequence
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from embark.causes import Cause
from embark.cli.columns import format_columns
from embark.cli.keys import show_key
from embark.client import Embeddings, KeyStatus, Neighbours

_FIRST_NUMBERS = 3


def lookup_rows(keys: Sequence[bytes], found: Embeddings) -> list[list[str]]:
    """Return a row for every key: key, status, cause, norm and first numbers; an OOV embedding is not shown as one."""
    rows = []
    for index, (key, status) in enumerate(zip(keys, found.statuses, strict=True)):
        numbers = _numbers(found.vectors[index]) if status is KeyStatus.HIT else ["", ""]
        rows.append([show_key(key), status.name, _cause(found.causes.get(index)), *numbers])
    return rows


def lookup_json(keys: Sequence[bytes], found: Embeddings, *, vectors: bool) -> list[str]:
    """Return a JSON object for every key; bytes of a key that are not UTF-8 are escaped."""
    lines = []
    for index, (key, status) in enumerate(zip(keys, found.statuses, strict=True)):
        line: dict[str, Any] = {
            "key": key.decode(errors="backslashreplace"),
            "status": status.name,
            "space": found.space,
        }
        line |= _cause_json(found.causes.get(index))
        if vectors:
            line["vector"] = found.vectors[index].tolist()
        lines.append(json.dumps(line))
    return lines


def neighbours_rows(found: Neighbours) -> list[list[str]]:
    """Return a heading, and a row for every neighbour."""
    return [
        ["KEY", "SCORE"],
        *([show_key(key), f"{score:.4f}"] for key, score in zip(found.keys, found.scores, strict=True)),
    ]


def neighbours_json(key: bytes, found: Neighbours) -> str:
    """Return the JSON object of a search for the neighbours of a key."""
    line = {
        "key": key.decode(errors="backslashreplace"),
        "status": found.status.name if found.status is not None else None,
        "space": found.space,
        **_cause_json(found.cause),
        "neighbours": [{"key": near, "score": score} for near, score in zip(found.keys, found.scores, strict=True)],
    }
    return json.dumps(line)


def report(
    keys: Sequence[bytes], statuses: Sequence[KeyStatus], causes: dict[int, Cause], taken: set[KeyStatus]
) -> int:
    """Print how many keys have each status, and every key that was not taken; return 0, or 3 when there is one."""
    for status in KeyStatus:
        count = sum(one is status for one in statuses)
        if count:
            click.echo(f"{status.name}: {count}")
    refused = [index for index, status in enumerate(statuses) if status not in taken]
    if refused:
        rows = [[show_key(keys[i]), statuses[i].name, _cause(causes.get(i))] for i in refused]
        click.echo(format_columns([["KEY", "STATUS", "CAUSE"], *rows]))
    return 3 if refused else 0


def _numbers(vector: npt.NDArray[np.floating]) -> list[str]:
    first = " ".join(f"{number:.4f}" for number in vector[:_FIRST_NUMBERS].tolist())
    more = " …" if len(vector) > _FIRST_NUMBERS else ""
    return [f"{float(np.linalg.norm(vector.astype(np.float64))):.4f}", f"{first}{more}"]


def _cause_json(cause: Cause | None) -> dict[str, Any]:
    return {} if cause is None else {"cause": {"kind": cause.kind.value, "detail": cause.detail}}


def _cause(cause: Cause | None) -> str:
    return "" if cause is None else str(cause)
