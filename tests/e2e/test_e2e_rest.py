"""A cache without lookups or edits: the operator reconciles it again and again, and writes nothing."""

import pytest

from embark_testing.e2e.caches import Cache
from embark_testing.e2e.cluster import Kubernetes, Release
from embark_testing.e2e.objects import photos_cache
from embark_testing.eventually import eventually

pytestmark = pytest.mark.e2e
KINDS = "deployments,services,configmaps,serviceaccounts,jobs,poddisruptionbudgets,networkpolicies"
SETTLED = 180.0
MINUTES = 2


def test_for_two_minutes_at_rest_nothing_is_written(cluster: Kubernetes, release: Release, namespace: str) -> None:
    cluster.apply(namespace, photos_cache("resting"))
    cache = Cache(cluster, namespace, "resting")
    cache.await_ready()
    before = eventually(lambda: _calm_for_a_look(cache, release), SETTLED, "the cache has come to rest")
    passes = _of_operator(cluster, release, "embark_operator_passes_total")

    changes = cluster.kubectl(
        "get", f"-n={namespace}", "embc", "--watch-only", f"--request-timeout={60 * MINUTES}s", "-o=name"
    )

    assert changes == ""
    assert _seen(cache, release) == before
    assert _of_operator(cluster, release, "embark_operator_passes_total") >= passes + MINUTES
    cluster.kubectl("delete", f"-n={namespace}", "embc", "resting", "--timeout=120s")


def _calm_for_a_look(cache: Cache, release: Release) -> tuple[float, dict[str, str]] | None:
    """Return what there is, if further passes leave it so."""
    before = _seen(cache, release)
    passes = _of_operator(cache.cluster, release, "embark_operator_passes_total")
    eventually(
        lambda: _of_operator(cache.cluster, release, "embark_operator_passes_total") > passes + 1, SETTLED, "a resync"
    )
    return before if _seen(cache, release) == before else None


def _seen(cache: Cache, release: Release) -> tuple[float, dict[str, str]]:
    """Return how much the operator has written, and the version of the cache and of every object of it."""
    items = cache.cluster.get(cache.namespace, KINDS, f"-l=embark.dev/cache={cache.name}")["items"]
    versions = {
        f"{i['kind']}/{i['metadata']['name']}": i["metadata"]["resourceVersion"] for i in (*items, cache.body())
    }
    return _of_operator(cache.cluster, release, "embark_operator_writes_total"), versions


def _of_operator(cluster: Kubernetes, release: Release, sample: str) -> float:
    pods = cluster.get(release.namespace, "pods")["items"]
    return sum(cluster.metric(release.namespace, pod["metadata"]["name"], sample) for pod in pods)
