"""The limit on how many keys are encoded a second."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfc.reembed.rates import RateLimit


class _Timer:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


@given(st.floats(0.5, 1000), st.lists(st.tuples(st.integers(1, 64), st.floats(0, 3)), min_size=1, max_size=50))
def test_the_rate_and_its_burst_are_never_exceeded(rate: float, takes: list[tuple[int, float]]) -> None:
    timer = _Timer()
    limit = RateLimit(rate, timer, timer.sleep)
    taken = 0
    for keys, idle in takes:
        timer.at += idle
        limit.take(keys)
        taken += keys
        assert taken <= rate * timer.at + 1e-6


def test_a_limit_allows_its_rate_and_no_limit_allows_everything() -> None:
    timer = _Timer()
    limit = RateLimit(10, timer, timer.sleep)
    for _ in range(100):
        limit.take(4)
    assert timer.at == pytest.approx(40)
    RateLimit(inf, timer, timer.sleep).take(10**9)
    assert timer.at == pytest.approx(40)


def test_the_rate_of_an_outage_is_not_made_up_for() -> None:
    timer = _Timer()
    limit = RateLimit(10, timer, timer.sleep)
    timer.at = 1000
    for _ in range(10):
        limit.take(10)
    assert timer.at == pytest.approx(1009.8)


def test_a_new_rate_applies_at_once_and_never_exceeds_the_maximum() -> None:
    timer = _Timer()
    limit = RateLimit(100, timer, timer.sleep)
    limit.rate = 10
    limit.take(20)
    assert timer.at == pytest.approx(2)
    limit.rate = inf
    assert limit.rate == 100
    limit.take(100)
    assert timer.at == pytest.approx(3)
    assert limit.taken == 120


def test_a_rate_of_zero_blocks_until_another_is_set() -> None:
    timer = _Timer()

    def sleep(seconds: float) -> None:
        timer.sleep(seconds)
        if timer.at > 5:
            limit.rate = inf

    limit = RateLimit(inf, timer, sleep)
    limit.rate = 0
    limit.take(10**6)
    assert timer.at == pytest.approx(5, abs=0.1)


@pytest.mark.parametrize(("rate", "together"), [(inf, 64), (0, 64), (1e9, 64), (3200, 32), (150, 1), (0.5, 1)])
def test_at_a_low_rate_few_keys_are_taken_at_a_time(rate: float, together: int) -> None:
    limit = RateLimit(inf, _Timer(), lambda _: None)
    limit.rate = rate
    assert limit.batch_size(64) == together
