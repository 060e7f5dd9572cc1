"""What must hold and how it must end, whatever happens to a rollout in whatever order."""

import pytest
from hypothesis import given, settings
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


def live_through(phase: RolloutPhase, happenings: list[Event]) -> RolloutWorld:
    world = RolloutWorld()
    world.reach(phase)
    for event in happenings:
        world.happen(event)
    return world


def settle_for_good(world: RolloutWorld) -> None:
    """Let a world come to rest, and the time of its previous space pass."""
    world.settle()
    world.now += KEPT
    world.settle()


def assert_one_space_is_left(world: RolloutWorld) -> None:
    rollout, cluster = world.rollout, world.cluster
    assert rollout.phase is RolloutPhase.STEADY
    assert rollout.active.id == world.wanted
    assert set(cluster.tables) == cluster.kfcs == cluster.served == {world.wanted}
    assert all(served.previous is None for served in cluster.embark)
    assert not list(cluster.jobs_of("reembed")) + list(cluster.jobs_of("verify")) + list(cluster.jobs_of("drop"))


@settings(max_examples=80, deadline=None)
@given(PHASES, events(disasters=False))
def test_whatever_happens_a_rollout_is_legal_and_ends_at_the_wanted_space(
    phase: RolloutPhase, happenings: list[Event]
) -> None:
    world = live_through(phase, happenings)
    world.settle()
    assert world.rollout.phase in ENDS
    assert world.rollout.active.id == world.wanted
    settle_for_good(world)
    assert_one_space_is_left(world)


@settings(max_examples=80, deadline=None)
@given(PHASES, events(disasters=True))
def test_a_lost_status_and_an_operator_that_dies_change_nothing_of_the_end(
    phase: RolloutPhase, happenings: list[Event]
) -> None:
    world = live_through(phase, happenings)
    settle_for_good(world)
    assert_one_space_is_left(world)


@pytest.mark.parametrize("phase", BEFORE_THE_SWITCH + AFTER_THE_SWITCH)
def test_back_to_the_first_space_in_any_phase_encodes_nothing_for_it_again(phase: RolloutPhase) -> None:
    world = RolloutWorld()
    first = world.cluster.tables[space("a")]
    world.reach(phase)
    phases = len(world.phases)
    world.edit("a")
    settle_for_good(world)
    assert_one_space_is_left(world)
    assert world.cluster.tables[space("a")] is first
    assert not {RolloutPhase.PREPARING, RolloutPhase.REEMBEDDING} & set(world.phases[phases:])


@pytest.mark.parametrize("phase", RolloutPhase)
def test_a_further_space_in_any_phase_is_the_one_that_is_left(phase: RolloutPhase) -> None:
    world = RolloutWorld()
    world.reach(phase)
    world.edit("c")
    settle_for_good(world)
    assert_one_space_is_left(world)


@pytest.mark.parametrize("phase", RolloutPhase)
def test_a_status_that_is_lost_in_any_phase_takes_no_space_from_look_ups(phase: RolloutPhase) -> None:
    world = RolloutWorld()
    world.reach(phase)
    reads = world.cluster.target
    world.happen(("lose_status",))
    assert world.cluster.target == reads
    settle_for_good(world)
    assert_one_space_is_left(world)


@pytest.mark.parametrize("phase", BEFORE_THE_SWITCH)
def test_look_ups_stay_where_they_are_while_the_candidate_cannot_pass(phase: RolloutPhase) -> None:
    world = RolloutWorld()
    world.spoil("b")
    world.reach(phase)
    world.gate("approval", Approval.AUTO)
    world.cluster.broken = set()
    world.proceed(30)
    assert (world.rollout.phase, world.rollout.active.id) == (RolloutPhase.HALTED, space("a"))
    assert "spec.rollout.maxFailureRatio" in world.rollout.status.message
    settle_for_good(world)
    assert_one_space_is_left(world)


@pytest.mark.parametrize("idle", ["roll", "end"])
def test_a_table_stays_while_pods_that_use_it_do_not_end(idle: str) -> None:
    world = RolloutWorld()
    world.reach(RolloutPhase.HOLDING)
    world.edit("a")
    world.proceed(10, frozenset({idle}))
    assert space("b") in world.cluster.tables
    settle_for_good(world)
    assert_one_space_is_left(world)


def test_ten_rollouts_leave_one_table() -> None:
    world = RolloutWorld(keepPrevious="0s")
    for letter in "bacbacbaca":
        world.edit(letter)
        world.settle()
        assert_one_space_is_left(world)
    assert world.wanted == space("a")


@settings(max_examples=40, deadline=None)
@given(PHASES, events(disasters=False))
def test_a_disturbed_operator_ends_where_an_undisturbed_one_does(phase: RolloutPhase, happenings: list[Event]) -> None:
    undisturbed, disturbed = live_through(phase, happenings), live_through(phase, disturb(happenings))
    for world in (undisturbed, disturbed):
        settle_for_good(world)
    assert end_of(disturbed) == end_of(undisturbed)


def disturb(happenings: list[Event]) -> list[Event]:
    """Return events with an operator that dies within its pass after each."""
    return [event for number, happening in enumerate(happenings) for event in (happening, ("crash", number))]


def end_of(world: RolloutWorld) -> object:
    rollout, timeless = world.rollout, {"since": None}
    spaces = rollout.spaces.model_copy(update={"active": rollout.active.model_copy(update=timeless | {"source": ""})})
    return rollout.phase, spaces, world.cluster.tables.keys(), world.cluster.embark, set(world.cluster.children)
