"""What must hold of a rollout, and how it must end, whatever happens to it in whatever order."""

from abc import abstractmethod
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embark.rollout.state import RolloutPhase
from embark.spec.rollout import Approval
from embark_testing.worlds.rollout_events import KEPT, Event, events
from embark_testing.worlds.rollout_parts import space
from embark_testing.worlds.rollout_worlds import RolloutWorld

PHASES = st.sampled_from(RolloutPhase)
ENDS = {RolloutPhase.STEADY, RolloutPhase.HOLDING}
BEFORE_THE_SWITCH = [
    RolloutPhase.AWAITING_APPROVAL,
    RolloutPhase.PREPARING,
    RolloutPhase.REEMBEDDING,
    RolloutPhase.VERIFYING,
    RolloutPhase.HALTED,
]
AFTER_THE_SWITCH = [RolloutPhase.SWITCHING, RolloutPhase.HOLDING]
# Each subclass runs the properties on its own worlds.
SHARED = [HealthCheck.differing_executors]


def settle_for_good(world: RolloutWorld) -> None:
    """Let a world come to rest, and the time of its previous space pass."""
    world.settle()
    world.now += KEPT
    world.settle()


def assert_one_space_is_left(world: RolloutWorld) -> None:
    rollout, model = world.rollout, world.model
    assert rollout.phase is RolloutPhase.STEADY
    assert rollout.active.id == world.wanted
    assert set(model.tables) == model.kfcs == model.served == {world.wanted}
    assert all(served.previous is None for served in model.embark)
    world.assert_idle()


def disturb(happenings: list[Event]) -> list[Event]:
    """Return the events with a crash after each."""
    return [event for number, happening in enumerate(happenings) for event in (happening, ("crash", number))]


def describe_end(world: RolloutWorld) -> object:
    rollout, timeless = world.rollout, {"since": None}
    spaces = rollout.spaces.model_copy(update={"active": rollout.active.model_copy(update=timeless | {"source": ""})})
    return rollout.phase, spaces, world.model.tables.keys(), world.model.embark, world.describe_end()


class RolloutContract:
    """Properties of what carries out a rollout: an operator, or a local process."""

    @abstractmethod
    def new_world(self, **rollout: Any) -> RolloutWorld:
        """Return a world at rest in space a."""

    def live_through(self, phase: RolloutPhase, happenings: list[Event]) -> RolloutWorld:
        world = self.new_world()
        world.reach(phase)
        for event in happenings:
            world.happen(event)
        return world

    @settings(max_examples=80, deadline=None, suppress_health_check=SHARED)
    @given(PHASES, events(disasters=False))
    def test_a_rollout_stays_legal_and_ends_at_the_wanted_space(
        self, phase: RolloutPhase, happenings: list[Event]
    ) -> None:
        world = self.live_through(phase, happenings)
        world.settle()
        assert world.rollout.phase in ENDS
        assert world.rollout.active.id == world.wanted
        settle_for_good(world)
        assert_one_space_is_left(world)

    @settings(max_examples=80, deadline=None, suppress_health_check=SHARED)
    @given(PHASES, events(disasters=True))
    def test_a_lost_status_and_crashes_do_not_change_the_end(
        self, phase: RolloutPhase, happenings: list[Event]
    ) -> None:
        world = self.live_through(phase, happenings)
        settle_for_good(world)
        assert_one_space_is_left(world)

    @pytest.mark.parametrize("phase", BEFORE_THE_SWITCH + AFTER_THE_SWITCH)
    def test_a_return_to_the_first_space_in_any_phase_encodes_nothing_for_it_again(self, phase: RolloutPhase) -> None:
        world = self.new_world()
        first = world.model.tables[space("a")]
        world.reach(phase)
        phases = len(world.phases)
        world.edit("a")
        settle_for_good(world)
        assert_one_space_is_left(world)
        assert world.model.tables[space("a")] is first
        assert not {RolloutPhase.PREPARING, RolloutPhase.REEMBEDDING} & set(world.phases[phases:])

    @pytest.mark.parametrize("phase", RolloutPhase)
    def test_a_third_space_in_any_phase_is_the_one_that_is_left(self, phase: RolloutPhase) -> None:
        world = self.new_world()
        world.reach(phase)
        world.edit("c")
        settle_for_good(world)
        assert_one_space_is_left(world)

    @pytest.mark.parametrize("phase", RolloutPhase)
    @pytest.mark.parametrize("point", range(3))
    def test_a_crash_in_any_phase_takes_no_space_from_lookups(self, phase: RolloutPhase, point: int) -> None:
        world = self.new_world()
        world.reach(phase)
        world.happen(("crash", point))
        settle_for_good(world)
        assert_one_space_is_left(world)

    @pytest.mark.parametrize("phase", BEFORE_THE_SWITCH)
    def test_lookups_stay_where_they_are_while_the_candidate_cannot_pass(self, phase: RolloutPhase) -> None:
        world = self.new_world()
        world.spoil("b")
        world.reach(phase)
        world.gate("approval", Approval.AUTO)
        world.model.broken = set()
        world.proceed(30)
        assert (world.rollout.phase, world.rollout.active.id) == (RolloutPhase.HALTED, space("a"))
        assert "spec.rollout.maxFailureRatio" in world.rollout.status.message
        settle_for_good(world)
        assert_one_space_is_left(world)

    def test_ten_rollouts_leave_one_table(self) -> None:
        world = self.new_world(keepPrevious="0s")
        for letter in "bacbacbaca":
            world.edit(letter)
            world.settle()
            assert_one_space_is_left(world)
        assert world.wanted == space("a")

    @settings(max_examples=40, deadline=None, suppress_health_check=SHARED)
    @given(PHASES, events(disasters=False))
    def test_a_disturbed_rollout_ends_where_an_undisturbed_one_does(
        self, phase: RolloutPhase, happenings: list[Event]
    ) -> None:
        undisturbed, disturbed = self.live_through(phase, happenings), self.live_through(phase, disturb(happenings))
        for world in (undisturbed, disturbed):
            settle_for_good(world)
        assert describe_end(disturbed) == describe_end(undisturbed)
