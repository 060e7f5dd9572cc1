"""Caches with one odd value each, some valid and some not, on which `embark validate` and the API server must agree."""

import json
from collections.abc import Iterator
from typing import Any

from embark_testing.worlds.invalid_caches import Document, Schema, cache_schema, changed
from embark_testing.worlds.invalid_values import good_items

# Not 12.0: kubectl sends it as 12, and the API server accepts it for some types only.
_NUMBERS = (0, 1, -1, 1.5, 2**40, 2**40 + 1, 2**63, 10**25, 1e300, True, None)
_TEXTS = (
    *["0", "00", "1", "1.0", "0.", ".5", "1.01", "a", "A", "a-", "a..b", "a_b", "no"],
    *["0s", "1s1s", "1m1h", "175200h", "175199h60m", "175200h1ms", "000000001s", "630720001s", "1.5s", "+1s", "1d"],
    *["0Ki", "1ki", "1Ti", "1024Gi", "1025Gi", "1e3", "0m", "9999999999999999999", "99999999999999999999"],
    *["::/0", "10.0.0.0/08", "010.0.0.0/8", "::1.2.3.4/128", "fe80::%e/64", "::ffff:0:0/96", "10.1/16", "1/8"],
    *("", " 1", "1\n", "\u0661", "\u00e9" * 20, "kafka:9092\n", "[::1]:9092", "https://\n", "s3://x\ny"),
    *("file:///a b", f"sha256:{'0' * 64}", "nvidia.com/gpu"),
)
_REST: tuple[Any, ...] = (
    *([], {}, [None], [[]]),
    *({"cpu": None}, {"cpu": 1}, {"replicas": None, "autoscaling": {}}, {"min": 0}),
)


def odd_caches() -> Iterator[tuple[str, Document]]:
    """Yield named manifests; of fields with the same schema, only one is used."""
    seen = set()
    for path, schema in _walk_fields(cache_schema()["properties"]["spec"], ("spec",)):
        described = json.dumps({name: schema[name] for name in schema if name not in ("description", "default")})
        if described in seen:
            continue
        seen.add(described)
        for value in _odd_values(schema, path[-1]):
            yield f"{'.'.join(path)} = {value!r:.60}", changed(path, value)


def _walk_fields(schema: Schema, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Schema]]:
    for name, part in schema["properties"].items():
        yield (*path, name), part
        if "properties" in part:
            yield from _walk_fields(part, (*path, name))


def _odd_values(schema: Schema, name: str) -> Iterator[Any]:
    yield from _NUMBERS
    yield from _REST
    any_text = "pattern" in schema or (schema.get("type") == "string" and "enum" not in schema)
    yield from _TEXTS if any_text else ("", "1")
    if "items" in schema:
        yield from ([good_items(name), value] for value in (*_TEXTS, 7, None))
    if "additionalProperties" in schema:
        yield from ({"cpu": value} for value in (*_TEXTS, *_NUMBERS))
        yield from ({text: 1} for text in _TEXTS)
