"""The token bucket; both ways to take tokens share their accounting."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embark.rates import TokenBucket

SECOND = 1_000_000

STEPS = st.lists(st.tuples(st.integers(0, 3 * SECOND), st.integers(1, 64)), min_size=1, max_size=50)


@given(st.floats(0.5, 1000), st.integers(0, 100), STEPS)
def test_at_most_the_burst_and_what_was_earned_is_taken(rate: float, burst: int, steps: list[tuple[int, int]]) -> None:
    bucket, now = TokenBucket(rate, burst), 0
    for passed, wanted in steps:
        now += passed
        assert 0 <= bucket.take_up_to(wanted, now) <= wanted
        assert bucket.taken <= burst + rate * now / SECOND + 1e-6


@given(st.floats(0.5, 1000), STEPS)
def test_tokens_taken_in_advance_are_earned_after_the_wait(rate: float, steps: list[tuple[int, int]]) -> None:
    bucket, now = TokenBucket(rate, rate / 5, tokens=0), 0
    for passed, wanted in steps:
        now += passed
        wait = bucket.take_in_advance(wanted, now)
        assert wait is not None
        assert bucket.taken <= rate * (now / SECOND + wait) + 1e-6


def test_no_time_is_lost_to_rounding() -> None:
    bucket = TokenBucket(10, 10, tokens=0)
    bucket.take_up_to(0, 0)
    assert sum(bucket.take_up_to(1, now) for now in range(0, 10 * SECOND + 1, 10_000)) == 100


def test_a_clock_that_is_set_back_neither_fills_nor_stops_a_bucket() -> None:
    bucket = TokenBucket(10, 10)
    assert bucket.take_up_to(10, 5 * SECOND) == 10
    assert bucket.take_up_to(1, 1 * SECOND) == 0
    assert bucket.take_up_to(5, 1_300_000) == 3


def test_a_rate_of_zero_earns_nothing_and_an_infinite_one_has_no_limit() -> None:
    bucket = TokenBucket(0, 5)
    assert bucket.take_in_advance(1, 0) is None
    assert (bucket.take_up_to(9, 0), bucket.take_up_to(1, 60 * SECOND)) == (5, 0)
    bucket.set_rate(inf, inf, 60 * SECOND)
    assert bucket.take_up_to(10**9, 60 * SECOND) == 10**9
    assert bucket.take_in_advance(10**9, 60 * SECOND) == 0.0
    assert bucket.taken == 5 + 2 * 10**9


def test_what_was_earned_before_a_change_of_the_rate_is_kept_up_to_the_new_burst() -> None:
    bucket = TokenBucket(10, 100, tokens=0)
    bucket.take_up_to(0, 0)
    bucket.set_rate(1, 5, 3 * SECOND)
    assert bucket.take_up_to(100, 3 * SECOND) == pytest.approx(5)


def test_what_was_taken_without_a_limit_does_not_count_under_the_next_one() -> None:
    bucket = TokenBucket(inf, 5)
    bucket.take_up_to(10**9, 0)
    bucket.set_rate(10, 5, 0)
    assert bucket.take_up_to(5, 0) == 5
