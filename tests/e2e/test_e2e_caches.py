"""A cache from `kubectl apply` to its deletion, with what a user sees in between."""

from typing import Any

import pytest

from embark_testing.e2e.caches import Cache
from embark_testing.e2e.cluster import Kubernetes
from embark_testing.e2e.objects import photos_cache
from embark_testing.eventually import eventually

pytestmark = pytest.mark.e2e
PHOTO = "http://samples/photos/chelsea.jpg"
BACK = 10.0
SEEN = 120.0


@pytest.fixture(scope="module")
def cache(cluster: Kubernetes, namespace: str) -> Cache:
    """A cache of photographs that is Ready."""
    cluster.apply(namespace, photos_cache())
    made = Cache(cluster, namespace, "photos")
    made.await_ready()
    return made


def test_a_photograph_goes_from_oov_to_its_embedding(cache: Cache) -> None:
    assert cache.lookup(PHOTO) == {PHOTO: "OOV_ENQUEUED"}
    assert cache.lookup(PHOTO, wait="60s") == {PHOTO: "HIT"}


def test_the_columns_are_accurate(cache: Cache) -> None:
    cache.lookup(PHOTO, wait="60s")
    status = eventually(lambda: _columns(cache), SEEN, "the counts have been read")
    header, row = cache.cluster.kubectl("get", f"-n={cache.namespace}", "embc", cache.name).splitlines()
    shown = dict(zip(header.split(), row.split(), strict=False))
    assert header.split() == ["NAME", "READY", "MODEL", "SPACE", "HIT%", "COVERAGE", "LAG", "PHASE", "AGE"]
    assert (shown["READY"], shown["SPACE"]) == ("True", status["spaces"]["active"]["id"])
    assert 0 < float(status["cache"]["hitPercent"]) < 100
    assert status["cache"]["entries"] >= 1
    assert status["topic"] == {"lag": 0, "deadLettered": 0}


def test_describe_explains_a_cache_whose_store_does_not_answer(cluster: Kubernetes, namespace: str) -> None:
    cluster.apply(namespace, photos_cache("lost", store={"cassandra": {"contactPoints": ["nowhere"]}}))
    lost = Cache(cluster, namespace, "lost")
    eventually(lambda: lost.condition("StoreReady").get("status") == "False", SEEN, "the schema Job has failed")
    described = cluster.kubectl("describe", f"-n={namespace}", "embc", "lost")
    assert "nowhere" in described
    assert lost.condition("Ready")["reason"] == "StoreNotReady"
    cluster.kubectl("delete", f"-n={namespace}", "embc", "lost", "--cascade=foreground", "--timeout=120s")


@pytest.mark.parametrize("kind", ["deployment", "service", "configmap", "serviceaccount"])
def test_a_deleted_child_is_back_within_seconds_and_lookups_continue(cache: Cache, kind: str) -> None:
    before = cache.cluster.get(cache.namespace, kind, "photos-embark")["metadata"]["uid"]
    cache.cluster.kubectl("delete", f"-n={cache.namespace}", kind, "photos-embark", "--wait=false")

    def back() -> bool:
        items = cache.cluster.get(cache.namespace, kind, "-l=embark.dev/cache=photos")["items"]
        return any(i["metadata"]["name"] == "photos-embark" and i["metadata"]["uid"] != before for i in items)

    eventually(back, BACK, f"the {kind} is back")
    cache.cluster.kubectl("rollout", "status", f"-n={cache.namespace}", "deployment/photos-embark", "--timeout=120s")
    assert cache.lookup(PHOTO, wait="30s") == {PHOTO: "HIT"}


@pytest.mark.parametrize("cascade", ["foreground", "background"])
def test_a_deleted_cache_leaves_nothing(cluster: Kubernetes, namespace: str, cascade: str) -> None:
    cluster.apply(namespace, photos_cache("brief"))
    selector = "-l=embark.dev/cache=brief"
    kinds = (
        "deployments,services,configmaps,serviceaccounts,jobs,pods,"
        "horizontalpodautoscalers,poddisruptionbudgets,networkpolicies"
    )
    eventually(lambda: cluster.get(namespace, "deployments", selector)["items"], SEEN, "its Deployments")
    cluster.kubectl("delete", f"-n={namespace}", "embc", "brief", f"--cascade={cascade}", "--timeout=120s")
    eventually(lambda: not cluster.get(namespace, kinds, selector)["items"], SEEN, "nothing of it is left")


def _columns(cache: Cache) -> dict[str, Any]:
    status: dict[str, Any] = cache.body()["status"]
    return status if status["cache"].get("hitPercent") and status["cache"].get("entries") else {}
