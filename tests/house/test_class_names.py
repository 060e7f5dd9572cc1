"""One name means one thing in all packages."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path
    for folder in ("sdk/src", "operator/src", *map(str, (ROOT / "services").glob("*/src")))
    for path in (ROOT / folder).rglob("*.py")
    if "/v1/" not in str(path)
)


def test_no_class_name_is_defined_twice() -> None:
    places = defaultdict[str, list[str]](list)
    for path in SOURCES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(path.relative_to(ROOT)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
