"""A cache whose keyspace goes with it: none of it is left in Cassandra, and a user may cancel the drop."""

from typing import Any

import pytest

from embark_testing.e2e.caches import Cache
from embark_testing.e2e.cluster import Kubernetes
from embark_testing.e2e.objects import photos_cache
from embark_testing.e2e.rollouts import ask, patch, remains
from embark_testing.eventually import eventually

pytestmark = pytest.mark.e2e
FEW = 20
SEEN = 180.0
DELETE = {"deletionPolicy": "Delete"}
KINDS = "deployments,services,configmaps,serviceaccounts,jobs,pods,horizontalpodautoscalers,poddisruptionbudgets"


def made(cluster: Kubernetes, namespace: str, name: str) -> Cache:
    cluster.apply(namespace, photos_cache(name, store=DELETE))
    cache = Cache(cluster, namespace, name)
    cache.await_ready()
    assert ask(cache, "fill", str(FEW)) == {"HIT": FEW}
    return cache


def delete(cache: Cache, *options: str) -> None:
    cache.cluster.kubectl("delete", f"-n={cache.namespace}", "embc", cache.name, *options)


def children(cache: Cache) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = cache.cluster.get(cache.namespace, KINDS, f"-l=embark.dev/cache={cache.name}")[
        "items"
    ]
    return items


@pytest.mark.parametrize("cascade", ["foreground", "background"])
def test_tables_groups_and_objects_of_a_cache_are_deleted_with_it(
    cluster: Kubernetes, namespace: str, cascade: str
) -> None:
    cache = made(cluster, namespace, f"going{cascade}")
    before = remains(cache)
    assert before["tables"]
    assert before["groups"]
    delete(cache, f"--cascade={cascade}", "--timeout=180s")
    assert remains(cache) == {"tables": [], "groups": []}
    eventually(lambda: not children(cache), SEEN, "nothing of it is left in the cluster")


def test_a_cache_whose_store_does_not_answer_reports_it_and_is_deleted_once_it_does(
    cluster: Kubernetes, namespace: str
) -> None:
    cache = made(cluster, namespace, "waiting")
    patch(cache, store={"cassandra": {"contactPoints": ["nowhere"]}})
    delete(cache, "--wait=false")
    eventually(
        lambda: cache.condition("KeyspaceDropped").get("reason") == "DropFailed", SEEN, "the condition reports it"
    )
    assert "nowhere" in cache.condition("KeyspaceDropped")["message"]
    events = cluster.kubectl("get", f"-n={namespace}", "events", "--field-selector=reason=DropFailed,type=Warning")
    assert "waiting" in events
    assert remains(cache)["tables"]
    patch(cache, store={"cassandra": {"contactPoints": ["cassandra"]}})
    cluster.kubectl("wait", f"-n={namespace}", "embc/waiting", "--for=delete", "--timeout=180s")
    assert remains(cache) == {"tables": [], "groups": []}


def test_a_user_who_gives_up_lets_the_cache_go_and_keeps_its_keyspace(cluster: Kubernetes, namespace: str) -> None:
    cache = made(cluster, namespace, "leaving")
    patch(cache, store={"cassandra": {"contactPoints": ["nowhere"]}})
    delete(cache, "--wait=false")
    eventually(
        lambda: cache.condition("KeyspaceDropped").get("reason") == "DropFailed", SEEN, "the condition reports it"
    )
    patch(cache, store={"deletionPolicy": "Retain"})
    cluster.kubectl("wait", f"-n={namespace}", "embc/leaving", "--for=delete", "--timeout=120s")
    assert remains(cache)["tables"]
    eventually(lambda: not children(cache), SEEN, "nothing of it is left in the cluster")
