"""The local carrier carries out a rollout by the contract that it shares with the operator."""

from typing import Any

from embark_testing.contracts.rollouts import RolloutContract
from embark_testing.worlds.local_worlds import LocalWorld


class TestLocalRollouts(RolloutContract):
    def new_world(self, **rollout: Any) -> LocalWorld:
        return LocalWorld(**rollout)
