"""A spec that is reverted during a rollout: what remains, and what happens when it is changed again."""

import pytest

from embark_testing.worlds.rolled_caches import OTHER, RollingWorld, ready_world

WAY = ["Preparing", "Reembedding", "Verifying", "Switching", "Holding"]


@pytest.fixture
def world() -> RollingWorld:
    """A cache that is Ready, in its first space."""
    return ready_world()


def set_back(world: RollingWorld) -> list[str]:
    """Revert the spec; return the phases until the cache is at rest."""
    world.apply_cache()
    phases = world.run_until("Steady")
    world.reconcile()
    return phases


@pytest.mark.parametrize("phase", WAY)
def test_a_spec_that_is_reverted_in_any_phase_builds_nothing_and_drops_the_other_space(
    world: RollingWorld, phase: str
) -> None:
    first = world.space("active")
    world.apply_cache(encoder=OTHER)
    world.run_until(phase)
    [second] = {world.space(role) for role in ("active", "candidate")} - {first, ""}
    assert set_back(world) == ["RollingBack", "Steady"]
    assert (world.space("active"), world.embark_settings().active.id) == (first, first)
    assert not [name for _, name in world.children() if second in name]
    assert world.jobs() == ["schema"]


@pytest.mark.parametrize("phase", WAY)
def test_a_dropped_space_is_filled_and_verified_again_when_the_spec_returns_to_it(
    world: RollingWorld, phase: str
) -> None:
    for _ in range(2):
        world.apply_cache(encoder=OTHER)
        assert world.run_until(phase) == WAY[: WAY.index(phase) + 1]
        set_back(world)
    world.apply_cache(encoder=OTHER)
    assert world.run_until("Holding") == WAY
