from datetime import datetime, timedelta
from typing import Any

import pytest

from embark.rollout.advance import advance
from embark.rollout.state import RolloutPhase, RolloutState, next_check
from embark.rollout.step import ObservedJob, ObservedRollout
from embark_testing.worlds.rollout_parts import BEGIN, leaving, space, steady, switched, wanting

LATER = BEGIN + timedelta(minutes=10)
KEPT_UNTIL = BEGIN + timedelta(hours=72)
ROLLED = ObservedRollout(embark_rolled=True)
IDLE = ObservedRollout(embark_rolled=True, dropped_idle=True)
DELETED = ObservedRollout(embark_rolled=True, dropped_idle=True, drop=ObservedJob(complete=True))


def step(
    rollout: RolloutState, seen: ObservedRollout | None = None, *, wants: str = "b", now: datetime = LATER, **spec: Any
) -> RolloutState:
    return advance(rollout, wanting(wants, **spec), seen or ObservedRollout(), now)


def test_a_switch_lasts_until_every_embark_answers_from_the_new_space() -> None:
    switching = switched(RolloutPhase.SWITCHING)
    assert step(switching) == switching
    assert step(switching, ROLLED).phase is RolloutPhase.HOLDING


def test_a_switch_that_a_further_space_overtakes_is_brought_to_its_end() -> None:
    switching = switched(RolloutPhase.SWITCHING)
    assert step(switching, wants="c") == switching
    assert step(switching, ROLLED, wants="c").phase is RolloutPhase.HOLDING


def test_the_previous_space_is_kept_from_the_end_of_the_switch() -> None:
    previous = step(switched(RolloutPhase.SWITCHING), ROLLED, keepPrevious="2h").spaces.previous
    assert previous
    assert previous.kept_until == LATER + timedelta(hours=2)


def test_both_spaces_are_served_and_filled_while_the_previous_one_is_kept() -> None:
    holding = switched(RolloutPhase.HOLDING, KEPT_UNTIL)
    assert [served.id for served in holding.served] == [space("b"), space("a")]
    assert step(holding) == holding


def test_a_previous_space_whose_time_is_over_is_dropped() -> None:
    after = step(switched(RolloutPhase.HOLDING, KEPT_UNTIL), now=KEPT_UNTIL)
    assert (after.phase, after.active.id, after.spaces.previous) == (RolloutPhase.HOLDING, space("b"), None)
    assert after.spaces.dropped
    assert after.spaces.dropped.id == space("a")
    assert "spec.rollout.keepPrevious is over" in after.status.message


def test_an_edit_of_keep_previous_holds_for_a_space_that_is_kept_already() -> None:
    held = step(switched(RolloutPhase.SWITCHING), ROLLED, keepPrevious="2h")
    longer = step(held, ROLLED, keepPrevious="5h")
    assert longer.spaces.previous
    assert longer.spaces.previous.kept_until == LATER + timedelta(hours=5)
    assert step(longer, ROLLED, keepPrevious="0s").spaces.dropped


def test_keep_previous_of_nothing_drops_it_right_after_the_switch() -> None:
    held = step(switched(RolloutPhase.SWITCHING), ROLLED, keepPrevious="0s")
    after = step(held, ROLLED, keepPrevious="0s")
    assert after.spaces.dropped
    assert after.spaces.dropped.id == space("a")


def test_a_further_space_ends_the_time_of_the_previous_one() -> None:
    after = step(switched(RolloutPhase.HOLDING, KEPT_UNTIL), wants="c")
    assert after.spaces.dropped
    assert after.spaces.dropped.id == space("a")
    assert space("c") in after.status.message


@pytest.mark.parametrize("phase", [RolloutPhase.SWITCHING, RolloutPhase.HOLDING])
def test_a_rollback_after_the_switch_encodes_nothing(phase: RolloutPhase) -> None:
    after = step(switched(phase, KEPT_UNTIL), ROLLED, wants="a")
    assert (after.phase, after.active.id, after.active.since) == (RolloutPhase.ROLLING_BACK, space("a"), LATER)
    assert after.spaces.active == after.active
    assert after.spaces.dropped
    assert (after.spaces.dropped.id, after.spaces.dropped.source) == (space("b"), space("a"))
    assert (after.spaces.previous, after.spaces.candidate) == (None, None)


@pytest.mark.parametrize(
    "seen",
    [ObservedRollout(), ROLLED, ObservedRollout(dropped_idle=True), ObservedRollout(drop=ObservedJob(complete=True))],
    ids=["nothing", "in use by a KFC", "in use by an EmbArk", "dropped"],
)
@pytest.mark.parametrize("phase", [RolloutPhase.ROLLING_BACK, RolloutPhase.HOLDING])
def test_a_space_is_not_dropped_while_anything_uses_it(phase: RolloutPhase, seen: ObservedRollout) -> None:
    assert step(leaving("b", phase), seen, wants="a") == leaving("b", phase)


@pytest.mark.parametrize("phase", [RolloutPhase.ROLLING_BACK, RolloutPhase.HOLDING])
def test_a_space_is_released_then_dropped_then_forgotten(phase: RolloutPhase) -> None:
    released = step(leaving("b", phase), IDLE, wants="a")
    assert released == leaving("b", phase, released=True)
    assert step(released, IDLE, wants="a") == released
    deleted = step(released, DELETED, wants="a")
    assert (deleted.phase, deleted.spaces.dropped) == (phase, None)
    rest = step(deleted, DELETED, wants="a")
    assert rest.spaces == steady().spaces
    assert rest.status == steady().status.model_copy(update={"since": LATER})


def test_a_drop_that_fails_reports_why_and_continues() -> None:
    released = leaving("b", RolloutPhase.ROLLING_BACK, released=True)
    seen = ObservedRollout(embark_rolled=True, dropped_idle=True, drop=ObservedJob(reason="the store does not answer"))
    after = step(released, seen, wants="a")
    assert after.spaces == released.spaces
    assert "the store does not answer" in after.status.message
    assert step(after, DELETED, wants="a").spaces.dropped is None


def test_a_space_that_is_wanted_again_while_it_is_dropped_is_filled_again() -> None:
    rollout, phases = leaving("b", RolloutPhase.ROLLING_BACK), []
    for _ in range(4):
        rollout = step(rollout, DELETED)
        phases.append((rollout.phase, rollout.spaces.candidate is not None))
    assert phases[-1] == (RolloutPhase.PREPARING, True)
    assert phases[:-1] == [(phase, False) for phase in [RolloutPhase.ROLLING_BACK] * 2 + [RolloutPhase.STEADY]]


@pytest.mark.parametrize("phase", [RolloutPhase.STEADY, RolloutPhase.AWAITING_APPROVAL])
def test_a_rollout_that_waits_for_people_is_not_polled(phase: RolloutPhase) -> None:
    assert next_check(steady().with_phase(phase, BEGIN), LATER) is None


def test_a_kept_space_is_checked_when_its_time_is_over() -> None:
    holding = switched(RolloutPhase.HOLDING, KEPT_UNTIL)
    assert next_check(holding, KEPT_UNTIL - timedelta(hours=1)) == timedelta(hours=1)
    again = next_check(holding, KEPT_UNTIL + timedelta(hours=1))
    assert again
    assert again > timedelta(0)


@pytest.mark.parametrize(
    "phase", sorted(set(RolloutPhase) - {RolloutPhase.STEADY, RolloutPhase.AWAITING_APPROVAL, RolloutPhase.HOLDING})
)
def test_a_rollout_that_waits_for_no_event_is_checked_soon(phase: RolloutPhase) -> None:
    again = next_check(steady().with_phase(phase, BEGIN), LATER)
    assert again
    assert again < timedelta(minutes=1)
