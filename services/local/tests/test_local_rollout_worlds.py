"""The local carrier carries out a rollout by the contract that it shares with the operator."""

from datetime import timedelta
from typing import Any

import pytest

from embark.rollout.state import RolloutPhase
from embark_testing.contracts.rollouts import RolloutContract
from embark_testing.worlds.local_worlds import LocalWorld


class TestLocalRollouts(RolloutContract):
    def new_world(self, **rollout: Any) -> LocalWorld:
        return LocalWorld(**rollout)


@pytest.mark.parametrize("passed", [timedelta(seconds=15), timedelta(hours=-1)])
def test_a_retina_that_could_not_start_is_started_again_also_if_the_clock_was_set_back(passed: timedelta) -> None:
    world = LocalWorld()
    world.reach(RolloutPhase.HALTED)
    world.model.broken = set()
    world.now += passed
    world.make_pass()
    world.work("start")
    world.make_pass()
    assert world.rollout.phase is RolloutPhase.PREPARING
