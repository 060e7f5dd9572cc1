"""A new model without an outage: from one space to another under lookups, and a new model that is unusable."""

import json

import pytest

from embark_testing.e2e.caches import Cache
from embark_testing.e2e.cluster import Kubernetes
from embark_testing.e2e.rollouts import (
    OTHER_OUTPUT,
    ask,
    assert_only_space,
    children_of_space,
    get_rollout,
    get_spaces,
    make_filled_cache,
    patch,
    watching,
)
from embark_testing.eventually import eventually

pytestmark = pytest.mark.e2e
KEYS = 2000
FEW = 60
SEEN = 180.0
PACED = "runs as fast as lookups bear"


def test_two_thousand_keys_move_to_another_model_under_lookups_that_never_fail(
    cluster: Kubernetes, namespace: str
) -> None:
    cache = make_filled_cache(cluster, namespace, "moving", KEYS)
    before = get_spaces(cache)["active"]["id"]
    coverages: set[str] = set()
    logs: list[str] = []

    def settled() -> bool:
        status = cache.body()["status"]
        if status["rollout"]["phase"] == "Reembedding" and not any(PACED in log for log in logs):
            logs.extend(read_logs(cache, "reembed"))
        coverages.add(status["spaces"].get("candidate", {}).get("coverage", ""))
        if status["rollout"]["phase"] == "Switching":
            assert status["spaces"]["active"]["id"] != before
        assert status["rollout"]["phase"] != "Halted", status["rollout"]
        return bool(status["rollout"]["phase"] == "Holding")

    with watching(cache, KEYS) as load:
        patch(cache, encoder={"output": OTHER_OUTPUT})
        eventually(settled, 600.0, f"the rollout is over; {get_rollout(cache)}")
        report = load.end()

    after = get_spaces(cache)["active"]["id"]
    assert report["failed"] == {}, report
    assert report["forms"] == {before: [1280], after: [1000]}, report
    assert any(0 < float(share) < 1 for share in coverages if share), coverages
    assert any(PACED in log for log in logs), logs
    everything = ask(cache, "fill", str(KEYS))
    assert everything == {"HIT": KEYS}
    assert ask(cache, "check", json.dumps(report["new"])) == {"HIT": len(report["new"])}

    assert children_of_space(cache, before)


def test_an_unusable_new_model_halts_the_rollout_by_name_and_fixing_the_spec_resumes_it(
    cluster: Kubernetes, namespace: str
) -> None:
    cache = make_filled_cache(cluster, namespace, "halting", FEW)
    first = get_spaces(cache)["active"]["id"]
    model = cache.body()["spec"]["encoder"]["model"]

    def assert_halted(*words: str) -> None:
        halted = eventually(lambda: halted_with(cache, words[0]), SEEN, f"Halted for {words}; {get_rollout(cache)}")
        for word in words:
            assert word in halted
            assert word in read_events(cache, "Halted")
        assert get_spaces(cache)["active"]["id"] == first
        assert cache.condition("Ready")["status"] == "True"
        assert ask(cache, "fill", str(FEW)) == {"HIT": FEW}

    patch(cache, encoder={"model": {"digest": f"sha256:{'0' * 64}"}}, rollout={"keepPrevious": "0s"})
    assert_halted("0000")
    patch(cache, encoder={"model": model, "output": OTHER_OUTPUT | {"dimension": 999}})
    assert_halted("999", "1000")
    # One in twenty of the photographs is larger than the new encoder takes.
    patch(cache, encoder={"output": OTHER_OUTPUT, "fetch": {"maxBytes": "110Ki"}})
    assert_halted("spec.rollout.maxFailureRatio", "of 60 keys could not be encoded", "grass.jpg", "has 125995 bytes")
    patch(cache, encoder={"fetch": {"maxBytes": "10Mi"}})
    # A whole attempt from Preparing on, as long as await_phase waits for one.
    eventually(lambda: get_spaces(cache)["active"]["id"] != first, 300.0, "lookups have moved")
    assert_only_space(cache, get_spaces(cache)["active"]["id"], FEW)


def halted_with(cache: Cache, words: str) -> str:
    rollout = get_rollout(cache)
    return str(rollout["message"]) if rollout["phase"] == "Halted" and words in rollout["message"] else ""


def read_events(cache: Cache, reason: str) -> str:
    mine = f"--field-selector=reason={reason},type=Warning,involvedObject.name={cache.name}"
    events = cache.cluster.get(cache.namespace, "events", mine)["items"]
    return "\n".join(event["message"] for event in events)


def read_logs(cache: Cache, component: str) -> list[str]:
    """Return what the running pods of a component have logged."""
    selector = f"-l=embark.dev/cache={cache.name},app.kubernetes.io/component={component}"
    pods = cache.cluster.get(cache.namespace, "pods", selector, "--field-selector=status.phase=Running")["items"]
    return [cache.cluster.kubectl("logs", f"-n={cache.namespace}", pod["metadata"]["name"]) for pod in pods]
