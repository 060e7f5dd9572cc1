"""Results of lookups and writes: tables for people, JSON for programs."""

import json
from collections.abc import Sequence
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from embark.causes import Cause
from embark.cli.keys import show_key
from embark.cli.text import format_columns
from embark.client import Embeddings, KeyStatus, Neighbours

_SHOWN_NUMBERS = 3


def lookup_rows(keys: Sequence[bytes], found: Embeddings) -> list[list[str]]:
    """Return one row per key: key, status, cause, norm and first numbers; those of an OOV embedding are not shown."""
    rows = []
    for index, (key, status) in enumerate(zip(keys, found.statuses, strict=True)):
        numbers = _numbers(found.vectors[index]) if status is KeyStatus.HIT else ["", ""]
        rows.append([show_key(key), status.name, _cause(found.causes.get(index)), *numbers])
    return rows


def lookup_json(keys: Sequence[bytes], found: Embeddings, *, vectors: bool) -> list[str]:
    """Return one JSON object per key; bytes of a key that are not UTF-8 are escaped."""
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
    """Return a heading and one row per neighbour."""
    return [
        ["KEY", "SCORE"],
        *([show_key(key), f"{score:.4f}"] for key, score in zip(found.keys, found.scores, strict=True)),
    ]


def neighbours_json(key: bytes, found: Neighbours) -> str:
    """Return the neighbours of a key as a JSON object."""
    line = {
        "key": key.decode(errors="backslashreplace"),
        "status": found.status.name if found.status is not None else None,
        "space": found.space,
        **_cause_json(found.cause),
        "neighbours": [{"key": near, "score": score} for near, score in zip(found.keys, found.scores, strict=True)],
    }
    return json.dumps(line)


def report(
    keys: Sequence[bytes], statuses: Sequence[KeyStatus], causes: dict[int, Cause], accepted: set[KeyStatus]
) -> int:
    """Print the number of keys per status and every key that was not accepted; return 3 if there is one, else 0."""
    for status in KeyStatus:
        count = sum(one is status for one in statuses)
        if count:
            click.echo(f"{status.name}: {count}")
    rejected = [index for index, status in enumerate(statuses) if status not in accepted]
    if rejected:
        rows = [[show_key(keys[i]), statuses[i].name, _cause(causes.get(i))] for i in rejected]
        click.echo(format_columns([["KEY", "STATUS", "CAUSE"], *rows]))
    return 3 if rejected else 0


def _numbers(vector: npt.NDArray[np.floating]) -> list[str]:
    first = " ".join(f"{number:.4f}" for number in vector[:_SHOWN_NUMBERS].tolist())
    more = " …" if len(vector) > _SHOWN_NUMBERS else ""
    return [f"{float(np.linalg.norm(vector.astype(np.float64))):.4f}", f"{first}{more}"]


def _cause_json(cause: Cause | None) -> dict[str, Any]:
    return {} if cause is None else {"cause": {"kind": cause.kind.value, "detail": cause.detail}}


def _cause(cause: Cause | None) -> str:
    return "" if cause is None else str(cause)
