"""A rollout in a cluster as its user sees it: edits by kubectl, lookups and leftovers from the client pod."""

import json
from contextlib import AbstractContextManager
from typing import Any

from embark_testing.e2e.caches import Cache, Load, ask_client, running_in_client
from embark_testing.e2e.cluster import Kubernetes, Release
from embark_testing.e2e.objects import keyspace_name, photos_cache
from embark_testing.eventually import eventually

_DELETED_SECONDS = 120.0
FIRST_OUTPUT = photos_cache()["spec"]["encoder"]["output"]
"""The output that photos_cache declares."""
OTHER_OUTPUT = {"tensor": "logits", "dimension": 1000, "dtype": "float32", "normalization": "none"}
"""The other output of the sample model: the same file, another dimension, another space."""


def make_filled_cache(cluster: Kubernetes, namespace: str, name: str, keys: int) -> Cache:
    """Return a cache that is Ready, with embeddings of its first `keys` keys; it keeps a previous space for an hour."""
    cluster.apply(namespace, photos_cache(name, rollout={"keepPrevious": "1h"}))
    cache = Cache(cluster, namespace, name)
    cache.await_ready()
    assert ask(cache, "fill", str(keys)) == {"HIT": keys}
    return cache


def get_rollout(cache: Cache) -> dict[str, Any]:
    """Return the status of the cache's rollout."""
    rollout: dict[str, Any] = cache.body().get("status", {}).get("rollout", {})
    return rollout


def get_spaces(cache: Cache) -> dict[str, Any]:
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
        rollout = get_rollout(cache)
        return rollout if rollout.get("phase") in phases else {}

    return eventually(there, seconds, f"the rollout is {' or '.join(phases)}; it is {get_rollout(cache)}")


def ask(cache: Cache, command: str, *arguments: str) -> dict[str, Any]:
    """Run a command of client_rollout in the client pod."""
    return ask_client(cache, "client_rollout.py", command, cache.target, *arguments)


def watching(cache: Cache, count: int) -> AbstractContextManager[Load]:
    """Look up the first `count` keys, and new ones, until the block ends."""
    return running_in_client(cache, "client_rollout.py", "watch", cache.target, str(count))


def remains(cache: Cache) -> dict[str, list[str]]:
    """Return the tables and consumer groups of a cache, which may be deleted; its keyspace is that of photos_cache."""
    return ask_client(cache, "client_remains.py", keyspace_name(cache.name), f"{cache.namespace}.{cache.name}.")


def kill_operator(cluster: Kubernetes, release: Release) -> None:
    """Delete the operator's pods, without waiting for others."""
    cluster.kubectl("delete", f"-n={release.namespace}", "pods", "--all", "--wait=false")


def children_of_space(cache: Cache, space: str) -> list[str]:
    """Return the names of the cache's objects that belong to a space."""
    kinds = "deployments,services,configmaps,serviceaccounts,jobs,pods,horizontalpodautoscalers,networkpolicies"
    selector = f"-l=embark.dev/cache={cache.name},embark.dev/space={space}"
    items = cache.cluster.get(cache.namespace, kinds, selector)["items"]
    return [f"{item['kind']} {item['metadata']['name']}" for item in items]


def await_no_objects_in(cache: Cache, space: str) -> None:
    """Return once no object of the cache belongs to a space."""
    left: list[str] = []

    def deleted() -> bool:
        left[:] = children_of_space(cache, space)
        return not left

    try:
        eventually(deleted, _DELETED_SECONDS)
    except AssertionError:
        raise AssertionError(f"objects of space {space} are left: {left}") from None


def assert_only_space(cache: Cache, space: str, keys: int) -> None:
    """Assert that the cache is at rest in one space, has the keys in it, and has nothing left of other spaces."""
    await_phase(cache, "Steady")
    assert get_spaces(cache).keys() == {"active"}
    assert get_spaces(cache)["active"]["id"] == space
    assert ask(cache, "fill", str(keys)) == {"HIT": keys}
    assert remains(cache) == {
        "tables": [f"embeddings_{space}", "rollout_progress"],
        "groups": [f"{cache.namespace}.{cache.name}.{space}"],
    }
