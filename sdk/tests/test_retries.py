"""Retries and their backoff."""

from hypothesis import given
from hypothesis import strategies as st

from embark.retries import Backoff, Retries


class _Item:
    """Not comparable."""


def _retries(max_attempts: int = 3) -> Retries[_Item]:
    return Retries(max_attempts, Backoff(1.0, 60.0, lambda: 1.0))


def test_the_wait_doubles_up_to_its_maximum_and_jitter_takes_at_most_half() -> None:
    full = Backoff(1.0, 5.0, lambda: 1.0)
    assert [full.delay(n) for n in (1, 2, 3, 4, 500)] == [1.0, 2.0, 4.0, 5.0, 5.0]
    assert Backoff(1.0, 5.0, lambda: 0.0).delay(3) == 2.0


def test_an_item_leaves_when_it_is_due_and_only_once() -> None:
    retries, item = _retries(), _Item()
    assert retries.schedule(item, 1, now=10.0)
    assert (len(retries), retries.next_due) == (1, 11.0)
    assert retries.take_due(10.9) == []
    assert retries.take_due(11.0) == [item]
    assert (len(retries), retries.next_due, list(retries.take_due(99.0))) == (0, None, [])


def test_an_item_whose_attempts_are_used_up_is_not_held() -> None:
    retries = _retries(max_attempts=2)
    assert retries.schedule(_Item(), 1, now=0.0)
    assert not retries.schedule(_Item(), 2, now=0.0)
    assert len(retries) == 1


def test_items_that_are_due_at_once_leave_in_the_order_in_which_they_failed() -> None:
    retries, items = _retries(), [_Item() for _ in range(20)]
    for item in items:
        retries.schedule(item, 1, now=0.0)
    assert retries.take_due(1.0) == items


def test_the_seconds_until_an_item_is_due_are_bounded_on_both_sides() -> None:
    retries = _retries()
    assert retries.seconds_until_due(0.0, limit=0.2) == 0.2
    retries.schedule(_Item(), 1, now=0.0)
    assert retries.seconds_until_due(0.0, limit=0.2) == 0.2
    assert retries.seconds_until_due(0.875, limit=0.2) == 0.125
    assert retries.seconds_until_due(5.0, limit=0.2) == 0.0


@given(st.lists(st.tuples(st.integers(1, 4), st.floats(0, 100)), max_size=40))
def test_every_held_item_leaves_at_its_time_in_order(failures: list[tuple[int, float]]) -> None:
    retries: Retries[float] = Retries(5, Backoff(1.0, 60.0, lambda: 0.5))
    backoff = Backoff(1.0, 60.0, lambda: 0.5)
    for count, now in failures:
        assert retries.schedule(now + backoff.delay(count), count, now)
    left: list[float] = []
    while (due := retries.next_due) is not None:
        left += retries.take_due(due)
    assert left == sorted(now + backoff.delay(count) for count, now in failures)
