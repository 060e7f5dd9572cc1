"""The operator carries out a rollout by the shared contract, and survives a lost status and pods that do not end."""

from typing import Any

import pytest

from embark.rollout.state import RolloutPhase
from embark_testing.contracts.rollouts import RolloutContract, assert_one_space_is_left, settle_for_good
from embark_testing.worlds.operator_worlds import OperatorWorld
from embark_testing.worlds.rollout_parts import space


class TestOperatorRollouts(RolloutContract):
    def new_world(self, **rollout: Any) -> OperatorWorld:
        return OperatorWorld(**rollout)


@pytest.mark.parametrize("phase", RolloutPhase)
def test_a_status_that_is_lost_in_any_phase_takes_no_space_from_lookups(phase: RolloutPhase) -> None:
    world = OperatorWorld()
    world.reach(phase)
    reads = world.cluster.target
    world.happen(("lose_status",))
    assert world.cluster.target == reads
    settle_for_good(world)
    assert_one_space_is_left(world)


@pytest.mark.parametrize("idle", ["roll", "end"])
def test_a_table_stays_while_pods_that_use_it_do_not_end(idle: str) -> None:
    world = OperatorWorld()
    world.reach(RolloutPhase.HOLDING)
    world.edit("a")
    world.proceed(10, frozenset({idle}))
    assert space("b") in world.cluster.tables
    settle_for_good(world)
    assert_one_space_is_left(world)
