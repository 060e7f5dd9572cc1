"""The pace of a re-embedding with concurrent lookups, and the limit that is set while it runs."""

import logging
import threading
from bisect import bisect_left
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from itertools import chain, repeat
from math import inf
from random import Random
from typing import NoReturn

import pytest

from embark.store import split_ring
from embark.store.memory import MemoryStore
from embark_testing.eventually import eventually
from embark_testing.fake_clock import FakeClock
from embark_testing.kfc.reembed_harness import ReembedHarness
from kfc.outages import StoppedError
from kfc.reembed.lookup_times import Times
from kfc.reembed.pace import DEFAULT_TUNING, PaceController, paced
from kfc.reembed.rates import RateLimit

BOUNDS = [0.0001 * 1.12**step for step in range(120)]
SLOWDOWN = 2.0
SECOND = 0.02  # of a test of paced()


@dataclass
class World:
    """`a_second` lookups each second beside a re-embedding, in a store that takes at most `most` keys a second."""

    a_second: int
    most: float
    usual: float = 0.003
    pace: PaceController = field(default_factory=lambda: PaceController(SLOWDOWN))
    chance: Random = field(default_factory=lambda: Random(1))  # noqa: S311 - no secret
    limits: list[float] = field(default_factory=lambda: [0.0])
    resting: list[float] = field(default_factory=list)
    beside: list[float] = field(default_factory=list)
    keys: list[float] = field(default_factory=list)

    def run(self, seconds: int) -> "World":
        """Simulate some seconds; the latency of each lookup is added to `resting` or `beside`."""
        for second in range(len(self.keys), len(self.keys) + seconds):
            keys = min(self.limits[-1], self.most)
            took = [self.lookup(keys / self.most) for _ in range(self.a_second)]
            (self.beside if keys else self.resting).extend(took)
            self.keys.append(keys)
            begins = second % DEFAULT_TUNING.cycle_seconds == 0
            self.limits.append(self.pace.advance(latencies(took), round(keys), begins=begins))
        return self

    def lookup(self, load: float) -> float:
        took = self.usual * self.chance.lognormvariate(0, 0.4)
        if self.chance.random() < load:
            took += self.chance.expovariate((1.01 - load) / (self.usual * load))
        return took

    def rate(self, last: int) -> float:
        """The mean rate of the last seconds."""
        return sum(self.keys[-last:]) / last


def latencies(seconds: list[float]) -> Times:
    return Times(BOUNDS[bisect_left(BOUNDS, took)] if took < BOUNDS[-1] else inf for took in seconds)


def p99(seconds: list[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.99)]


@pytest.mark.parametrize(("a_second", "most"), [(30, 2000), (100, 200), (100, 20_000), (1000, 2000)])
def test_it_is_about_as_fast_as_lookups_bear(a_second: int, most: float) -> None:
    world = World(a_second, most).run(200)
    assert p99(world.beside) / p99(world.resting) <= 1.1 * SLOWDOWN
    bearable = max(part for part in range(10) if slowed(part / 10) <= SLOWDOWN) / 10 * most
    assert 0.6 * bearable < world.rate(120) < 1.4 * bearable


@cache
def slowed(load: float) -> float:
    """Return the factor by which a constant load slows lookups down."""
    without, beside = (
        [world.lookup(part) for _ in range(5000)] for world, part in ((World(1, 1), 0.0), (World(1, 1), load))
    )
    return p99(beside) / p99(without)


def test_without_lookups_there_is_no_limit_after_the_first_second() -> None:
    limits = World(0, 2000).run(200).limits
    assert limits[0] == 0
    assert set(limits[1:]) == {inf}


def test_lookups_that_begin_are_measured_without_the_re_embedding_and_then_limit_it() -> None:
    world = World(0, 2000).run(30)
    world.a_second = 100
    world.run(20)
    assert world.limits[30:36] == [inf, *[0.0] * DEFAULT_TUNING.rest_seconds, *world.limits[35:36]]
    assert all(0 < limit < inf for limit in world.limits[35:])


def test_lookups_that_end_leave_no_limit_and_later_ones_the_previous_limit() -> None:
    world = World(100, 2000).run(150)
    had = world.limits[-1]
    world.a_second = 0
    assert world.run(10).limits[-1] == inf
    world.a_second = 100
    assert world.run(1).limits[-1] == pytest.approx(had)


def test_every_minute_it_rests_for_the_same_seconds_of_every_process() -> None:
    limits = World(100, 2000).run(300).limits
    resting = [second for second, limit in enumerate(limits) if limit == 0 and second > DEFAULT_TUNING.rest_seconds]
    assert resting == [
        60 * minute + second + 1 for minute in range(1, 5) for second in range(DEFAULT_TUNING.rest_seconds)
    ]


def test_lookups_that_are_slow_for_another_reason_limit_it_until_rests_measure_them() -> None:
    world = World(100, 2000).run(130)
    before = world.rate(50)
    world.usual *= 10
    world.run(30)
    assert world.rate(5) < before / 10
    assert min(limit for limit in world.limits if limit) >= 10
    assert world.run(150).rate(60) > before / 2


def test_the_limit_does_not_run_away_while_something_else_limits_it() -> None:
    world = World(100, 2000)
    world.most = 20_000
    pace, limit = world.pace, 0.0
    for second in range(300):
        limit = pace.advance(
            latencies([world.usual] * 100), min(round(limit), 40), begins=second % DEFAULT_TUNING.cycle_seconds == 0
        )
    assert limit <= 4 * 40


def test_an_embark_that_stops_reporting_changes_no_limit_and_one_that_never_reports_sets_none() -> None:
    world = World(100, 2000).run(130)
    assert [world.pace.advance(None, 100, begins=False) for _ in range(20)] == [world.limits[-1]] * 20
    silent = PaceController(SLOWDOWN)
    assert [silent.advance(None, 0, begins=False) for _ in range(10)][DEFAULT_TUNING.rest_seconds :] == [inf] * (
        10 - DEFAULT_TUNING.rest_seconds
    )


def test_equal_latencies_never_slow_it_down() -> None:
    def limits() -> Iterator[float]:
        pace = PaceController(SLOWDOWN)
        for _ in range(30):
            yield pace.advance(Times({0.001: 10}), 10**9, begins=False)

    assert list(limits()) == sorted(limits())


@pytest.fixture
def limit() -> RateLimit:
    return RateLimit(inf, lambda: 0.0, lambda _: None)


@pytest.fixture
def harness() -> Iterator[ReembedHarness]:
    clock = FakeClock()
    store = MemoryStore(clock)
    yield ReembedHarness(store, clock)
    store.close()


def busy() -> Times:
    return Times({0.001: 100})


def test_a_paced_re_embedding_rests_is_then_limited_and_is_unlimited_at_the_end(limit: RateLimit) -> None:
    with paced(limit, busy, 2, second=SECOND):
        assert limit.rate == 0
        eventually(lambda: 0 < limit.rate < inf)
    assert limit.rate == inf


def test_the_log_says_when_lookups_limit_it_and_when_they_end(
    limit: RateLimit, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    reports = chain([Times()], repeat(busy(), 20), repeat(Times()))
    with paced(limit, lambda: next(reports), 2, second=SECOND):
        eventually(lambda: limit.rate == inf)
    assert [record.message for record in caplog.records] == [
        "the re-embedding runs as fast as lookups bear",
        "the re-embedding runs unlimited: no lookups",
    ]


def test_an_error_in_the_latencies_does_not_limit_it(limit: RateLimit, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> NoReturn:
        raise ZeroDivisionError

    with paced(limit, fail, 2, second=SECOND):
        eventually(lambda: limit.rate == inf)
    assert "continues without a limit" in caplog.text


def test_a_re_embedding_with_lookups_encodes_everything_and_no_faster_than_they_bear(harness: ReembedHarness) -> None:
    keys = harness.fill(60)
    rates: list[float] = []

    def lookups() -> Times:
        rates.append(reembedding.keys_per_second)
        return busy()

    reembedding = harness.reembedding(lookups=lookups)
    reembedding.run(split_ring(4))
    assert sorted(harness.rows()) == sorted(keys)
    assert rates[:3] == [0, 0, 0]
    assert all(0 < rate < 100 for rate in rates[4:])


def test_a_re_embedding_that_rests_stops_at_once(harness: ReembedHarness) -> None:
    harness.fill(60)
    called = threading.Event()

    def lookups() -> Times:
        called.set()
        return busy()

    reembedding = harness.reembedding(lookups=lookups)

    def stop() -> None:
        assert called.wait(60)
        harness.stopping.set()

    with ThreadPoolExecutor(1) as pool:
        stopped = pool.submit(stop)
        with pytest.raises(StoppedError):
            reembedding.run(split_ring(4))
        stopped.result()
    assert harness.rows() == {}


def test_without_a_latency_source_there_is_no_limit(harness: ReembedHarness) -> None:
    harness.fill(60)
    reembedding = harness.reembedding()
    assert reembedding.keys_per_second == inf
    reembedding.run(split_ring(4))
    assert len(harness.rows()) == 60
