"""Lookups from eight channels in the cluster, while EmbArk's pods come and go."""

import json

import pytest

from embark_testing.e2e.caches import Cache, load_on
from embark_testing.e2e.cluster import Kubernetes
from embark_testing.e2e.objects import photos_cache
from embark_testing.eventually import eventually

pytestmark = pytest.mark.e2e
CHANNELS = 8
SPREAD = 1.3
SEEN = 60.0


@pytest.fixture
def cache(cluster: Kubernetes, namespace: str) -> Cache:
    """A cache that is Ready, with two EmbArk pods."""
    cluster.apply(namespace, photos_cache("loaded"))
    made = Cache(cluster, namespace, "loaded")
    made.await_ready()
    _await_rolled(made)
    return made


def test_a_rolling_restart_under_load_fails_no_lookup(cache: Cache) -> None:
    before = {pod["metadata"]["name"] for pod in cache.pods("embark")}
    with load_on(cache, CHANNELS) as load:
        cache.cluster.kubectl("rollout", "restart", f"-n={cache.namespace}", "deployment/loaded-embark")
        _await_rolled(cache)
        report = load.end()
    assert before.isdisjoint(pod["metadata"]["name"] for pod in cache.pods("embark"))
    assert (report["failed"], report["answered"] > 0) == (0, True), report


def test_after_a_scale_from_two_to_four_the_load_is_spread_evenly(cache: Cache) -> None:
    with load_on(cache, CHANNELS) as load:
        cache.cluster.kubectl("scale", f"-n={cache.namespace}", "embc/loaded", "--replicas=4")
        eventually(lambda: len(cache.pods("embark")) == 4, SEEN, "four pods")
        _await_rolled(cache)
        eventually(lambda: _is_even(cache), SEEN, "the busiest pod has at most 1.3 times the mean")
        report = load.end()
    assert report["failed"] == 0, report


def _await_rolled(cache: Cache) -> None:
    cache.cluster.kubectl("rollout", "status", f"-n={cache.namespace}", "deployment/loaded-embark", "--timeout=180s")


def _is_even(cache: Cache) -> bool:
    """Return whether the next thousand lookups are spread over all pods."""
    before = cache.answered_by()

    def more() -> dict[str, float]:
        now = cache.answered_by()
        shares = {name: count - before.get(name, 0.0) for name, count in now.items()}
        return shares if sum(shares.values()) >= 1000 else {}

    shares = eventually(more, SEEN, f"a thousand lookups; {json.dumps(before)} before them")
    return max(shares.values()) <= SPREAD * sum(shares.values()) / len(shares)
