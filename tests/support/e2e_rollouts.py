"""A rollout in a cluster as its user sees it: edits by kubectl, look-ups and remains from the client pod."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from e2e_caches import Cache, Load
from e2e_cluster import run
from eventually import eventually

_GONE = 120.0
_SCRIPTS = Path(__file__).parents[1] / "e2e"
OTHER_OUTPUT = {"tensor": "logits", "dimension": 1000, "dtype": "float32", "normalization": "none"}
"""The other output of the sample model: the same file, another dimension, another space."""


def rollout_of(cache: Cache) -> dict[str, Any]:
    """Return the status of the cache's rollout."""
    rollout: dict[str, Any] = cache.body().get("status", {}).get("rollout", {})
    return rollout


def spaces_of(cache: Cache) -> dict[str, Any]:
    """Return the spaces of the cache."""
    spaces: dict[str, Any] = cache.body().get("status", {}).get("spaces", {})
    return spaces


def patch(cache: Cache, **sections: Any) -> None:
    """Change sections of the cache's spec."""
    change = json.dumps({"spec": sections})
    cache.cluster.kubectl("patch", f"-n={cache.namespace}", "embc", cache.name, "--type=merge", f"--patch={change}")


def await_phase(cache: Cache, *phases: str, seconds: float = 300.0) -> dict[str, Any]:
    """Return the rollout once it is in one of the phases."""

    def there() -> dict[str, Any]:
        rollout = rollout_of(cache)
        return rollout if rollout.get("phase") in phases else {}

    return eventually(there, seconds, f"the rollout is {' or '.join(phases)}; it is {rollout_of(cache)}")


def ask(cache: Cache, command: str, *arguments: str) -> dict[str, Any]:
    """Run a command of client_rollout in the client pod."""
    script = (_SCRIPTS / "client_rollout.py").read_text()
    inside = ["python", "-c", script, command, cache.target, *arguments]
    told: dict[str, Any] = json.loads(run(["kubectl", "exec", f"-n={cache.namespace}", "client", "--", *inside]))
    return told


@contextmanager
def watching(cache: Cache, count: int) -> Iterator[Load]:
    """Look up the first `count` keys, and new ones, until the block ends."""
    script = (_SCRIPTS / "client_rollout.py").read_text()
    command = ["kubectl", "exec", "-i", f"-n={cache.namespace}", "client", "--"]
    inside = ["python", "-c", script, "watch", cache.target, str(count)]
    with subprocess.Popen([*command, *inside], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
            yield Load(process)
        finally:
            if process.poll() is None:
                process.kill()


def remains(cache: Cache) -> dict[str, list[str]]:
    """Return the tables and consumer groups of the cache."""
    script = (_SCRIPTS / "client_remains.py").read_text()
    keyspace = cache.body()["spec"]["store"]["cassandra"]["keyspace"]
    inside = ["python", "-c", script, keyspace, f"{cache.namespace}.{cache.name}."]
    told: dict[str, list[str]] = json.loads(run(["kubectl", "exec", f"-n={cache.namespace}", "client", "--", *inside]))
    return told


def children_of_space(cache: Cache, space: str) -> list[str]:
    """Return the names of all objects of the cache that are of a space."""
    kinds = "deployments,services,configmaps,serviceaccounts,jobs,pods,horizontalpodautoscalers,networkpolicies"
    selector = f"-l=embark.dev/cache={cache.name},embark.dev/space={space}"
    items = cache.cluster.get(cache.namespace, kinds, selector)["items"]
    return [f"{item['kind']} {item['metadata']['name']}" for item in items]


def await_nothing_of(cache: Cache, space: str) -> None:
    """Return once no object of the cache is of a space."""
    left: list[str] = []

    def gone() -> bool:
        left[:] = children_of_space(cache, space)
        return not left

    try:
        eventually(gone, _GONE)
    except AssertionError:
        raise AssertionError(f"of space {space} there is left: {left}") from None
