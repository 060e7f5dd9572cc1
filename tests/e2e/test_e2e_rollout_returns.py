"""A spec that is set back during a rollout: in every phase it ends as if there had been no rollout."""

import pytest

from embark_testing.e2e.caches import Cache
from embark_testing.e2e.cluster import Kubernetes, Release
from embark_testing.e2e.rollouts import (
    FIRST_OUTPUT,
    OTHER_OUTPUT,
    assert_only_space,
    await_no_objects_in,
    await_phase,
    get_spaces,
    kill_operator,
    make_filled_cache,
    patch,
)

pytestmark = pytest.mark.e2e
FEW = 60
BEFORE_THE_SWITCH = "the spec is back at the active space"
AFTER_THE_SWITCH = "lookups move back to space"


@pytest.fixture(scope="module")
def turning(cluster: Kubernetes, namespace: str) -> Cache:
    """A cache in its first space."""
    return make_filled_cache(cluster, namespace, "turning", FEW)


@pytest.mark.parametrize(
    ("phase", "way"),
    [
        ("Preparing", BEFORE_THE_SWITCH),
        ("Reembedding", BEFORE_THE_SWITCH),
        ("Verifying", BEFORE_THE_SWITCH),
        ("Switching", AFTER_THE_SWITCH),
        ("Holding", AFTER_THE_SWITCH),
    ],
)
def test_a_rollout_set_back_in_any_phase_leaves_only_the_first_space(
    turning: Cache, release: Release, phase: str, way: str
) -> None:
    first = get_spaces(turning)["active"]["id"]
    # At two keys per second, Reembedding does not end before it is observed.
    patch(turning, encoder={"output": OTHER_OUTPUT}, rollout={"maxKeysPerSecond": 2 if phase == "Reembedding" else 0})
    await_phase(turning, phase)
    [second] = {space["id"] for space in get_spaces(turning).values()} - {first}
    patch(turning, encoder={"output": FIRST_OUTPUT})
    assert way in await_phase(turning, "RollingBack")["message"]
    if phase == "Holding":
        kill_operator(turning.cluster, release)
    assert_only_space(turning, first, FEW)
    await_no_objects_in(turning, second)
