"""A rollout in which the operator, its pods and the servers are lost one after the other: it ends like any other."""

from threading import Event

import pytest

from embark_testing.e2e.cluster import Kubernetes, Release
from embark_testing.e2e.outages import cassandra_and_retina_away
from embark_testing.e2e.rollouts import (
    OTHER_OUTPUT,
    assert_only_space,
    await_no_objects_in,
    await_phase,
    get_rollout,
    get_spaces,
    kill_operator,
    make_filled_cache,
    patch,
)
from embark_testing.eventually import eventually

pytestmark = pytest.mark.e2e
KEYS = 300
SEEN = 180.0
LOOKS, LOOK_SECONDS = 12, 5.0


def test_a_rollout_whose_operator_is_killed_in_every_phase_and_whose_servers_go_for_a_minute_ends_like_any_other(
    cluster: Kubernetes, release: Release, namespace: str
) -> None:
    cache = make_filled_cache(cluster, namespace, "disturbed", KEYS)
    first = get_spaces(cache)["active"]["id"]
    # A minute of work, so that the disturbances meet it in progress, however long pods take to terminate.
    patch(cache, encoder={"output": OTHER_OUTPUT}, rollout={"maxKeysPerSecond": 5})
    await_phase(cache, "Preparing")
    kill_operator(cluster, release)
    await_phase(cache, "Reembedding")
    candidate = get_spaces(cache)["candidate"]["id"]
    eventually(lambda: get_rollout(cache)["done"] > 0, SEEN, "some keys are encoded")
    for killed in ("reembed", "retina", "kfc"):
        selector = f"-l=app.kubernetes.io/component={killed},embark.dev/space={candidate}"
        cluster.kubectl("delete", f"-n={namespace}", "pods", selector, "--grace-period=0", "--force")
    kill_operator(cluster, release)
    with cassandra_and_retina_away(cache):
        for _ in range(LOOKS):
            Event().wait(LOOK_SECONDS)
            assert get_rollout(cache)["phase"] == "Reembedding", get_rollout(cache)
    assert get_spaces(cache)["active"]["id"] == first

    for phase in ("Verifying", "Switching"):
        await_phase(cache, phase)
        kill_operator(cluster, release)
    held = await_phase(cache, "Holding")
    assert (held["failed"], get_spaces(cache)["active"]["id"]) == (0, candidate)
    patch(cache, rollout={"keepPrevious": "0s"})
    eventually(lambda: "previous" not in get_spaces(cache), SEEN, "keepPrevious is over")
    kill_operator(cluster, release)
    assert_only_space(cache, candidate, KEYS)
    await_no_objects_in(cache, first)
