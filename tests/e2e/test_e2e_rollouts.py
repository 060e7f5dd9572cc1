"""A new model without an outage: from one space to another under look-ups, back, and when the new one is no good."""

import json

import pytest
from e2e_caches import Cache
from e2e_cluster import Kubernetes, Release
from e2e_objects import photos_cache
from e2e_rollouts import (
    OTHER_OUTPUT,
    ask,
    await_nothing_of,
    await_phase,
    children_of_space,
    patch,
    remains,
    rollout_of,
    spaces_of,
    watching,
)
from eventually import eventually

pytestmark = pytest.mark.e2e
KEYS = 2000
FEW = 60
SEEN = 180.0


def made(cluster: Kubernetes, namespace: str, name: str, keys: int) -> Cache:
    cluster.apply(namespace, photos_cache(name, rollout={"keepPrevious": "1h"}))
    cache = Cache(cluster, namespace, name)
    cache.await_ready()
    assert ask(cache, "fill", str(keys)) == {"HIT": keys}
    return cache


def test_two_thousand_keys_move_to_another_model_under_lookups_that_never_fail(
    cluster: Kubernetes, namespace: str
) -> None:
    cache = made(cluster, namespace, "moving", KEYS)
    before = spaces_of(cache)["active"]["id"]
    coverages: set[str] = set()

    def settled() -> bool:
        status = cache.body()["status"]
        coverages.add(status["spaces"].get("candidate", {}).get("coverage", ""))
        if status["rollout"]["phase"] == "Switching":
            assert status["spaces"]["active"]["id"] != before
        assert status["rollout"]["phase"] != "Halted", status["rollout"]
        return bool(status["rollout"]["phase"] == "Holding")

    with watching(cache, KEYS) as load:
        patch(cache, encoder={"output": OTHER_OUTPUT})
        eventually(settled, 600.0, f"the rollout is over; {rollout_of(cache)}")
        told = load.end()

    after = spaces_of(cache)["active"]["id"]
    assert told["failed"] == {}, told
    assert told["forms"] == {before: [1280], after: [1000]}, told
    assert any(0 < float(share) < 1 for share in coverages if share), coverages
    everything = ask(cache, "fill", str(KEYS))
    assert everything == {"HIT": KEYS}
    assert ask(cache, "check", json.dumps(told["new"])) == {"HIT": len(told["new"])}

    assert children_of_space(cache, before)


def test_a_rollout_goes_back_at_once_while_the_previous_space_is_kept(cluster: Kubernetes, namespace: str) -> None:
    cache = made(cluster, namespace, "turning", FEW)
    first = spaces_of(cache)["active"]["id"]
    output = cache.body()["spec"]["encoder"]["output"]
    patch(cache, encoder={"output": OTHER_OUTPUT})
    await_phase(cache, "Holding")
    second = spaces_of(cache)["active"]["id"]
    assert second != first
    patch(cache, encoder={"output": output})
    await_phase(cache, "Steady")
    assert spaces_of(cache)["active"]["id"] == first
    assert ask(cache, "fill", str(FEW)) == {"HIT": FEW}
    await_nothing_of(cache, second)
    assert remains(cache) == {
        "tables": [f"embeddings_{first}", "rollout_progress"],
        "groups": [f"{namespace}.turning.{first}"],
    }


def test_a_rollout_whose_operator_and_pods_are_killed_ends_like_any_other(
    cluster: Kubernetes, release: Release, namespace: str
) -> None:
    cache = made(cluster, namespace, "disturbed", 5 * FEW)
    first = spaces_of(cache)["active"]["id"]
    operator, component = f"-n={release.namespace}", "app.kubernetes.io/component"
    patch(cache, encoder={"output": OTHER_OUTPUT}, rollout={"maxKeysPerSecond": 10})
    await_phase(cache, "Preparing")
    cluster.kubectl("delete", operator, "pods", "--all", "--wait=false")
    await_phase(cache, "Reembedding")
    candidate = spaces_of(cache)["candidate"]["id"]
    eventually(lambda: rollout_of(cache)["done"] > 0, SEEN, "some keys are encoded")
    for killed in ("reembed", "retina", "kfc"):
        selector = f"-l={component}={killed},embark.dev/space={candidate}"
        cluster.kubectl("delete", f"-n={namespace}", "pods", selector, "--grace-period=0", "--force")
    cluster.kubectl("delete", operator, "pods", "--all", "--wait=false")
    assert spaces_of(cache)["active"]["id"] == first
    await_phase(cache, "Verifying", "Switching", "Holding")
    cluster.kubectl("delete", operator, "pods", "--all", "--wait=false")
    await_phase(cache, "Holding")
    assert spaces_of(cache)["active"]["id"] == candidate
    assert ask(cache, "fill", str(5 * FEW)) == {"HIT": 5 * FEW}
    assert rollout_of(cache)["failed"] == 0


def test_a_model_that_cannot_be_loaded_halts_the_rollout_and_fixing_the_spec_goes_on(
    cluster: Kubernetes, namespace: str
) -> None:
    cache = made(cluster, namespace, "halting", FEW)
    first = spaces_of(cache)["active"]["id"]
    patch(cache, encoder={"model": {"digest": f"sha256:{'0' * 64}"}}, rollout={"keepPrevious": "0s"})
    halted = await_phase(cache, "Halted")
    assert "0000" in halted["message"], halted
    events = cluster.kubectl("get", f"-n={namespace}", "events", "--field-selector=reason=Halted,type=Warning")
    assert "halting" in events
    assert spaces_of(cache)["active"]["id"] == first
    assert cache.condition("Ready")["status"] == "True"
    assert ask(cache, "fill", str(FEW)) == {"HIT": FEW}

    digest = photos_cache()["spec"]["encoder"]["model"]["digest"]
    patch(cache, encoder={"model": {"digest": digest}, "output": OTHER_OUTPUT})
    # Steady for a moment in between: the space that was no good is dropped before the next one is begun.
    eventually(lambda: spaces_of(cache)["active"]["id"] != first, SEEN, "look-ups have moved")
    await_phase(cache, "Steady")
    second = spaces_of(cache)["active"]["id"]
    assert ask(cache, "fill", str(FEW)) == {"HIT": FEW}
    assert remains(cache) == {
        "tables": [f"embeddings_{second}", "rollout_progress"],
        "groups": [f"{namespace}.halting.{second}"],
    }
