"""The limit that is set while a re-embedding runs."""

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, repeat
from math import inf
from typing import NoReturn

import pytest

from embark.store import split_ring
from embark.store.memory import MemoryStore
from embark_testing.eventually import eventually
from embark_testing.fake_clock import FakeClock
from embark_testing.kfc.reembed_harness import ReembedHarness
from kfc.outages import StoppedError
from kfc.reembed.lookup_times import Times
from kfc.reembed.pace import paced
from kfc.reembed.rates import RateLimit

SECOND = 0.02


@pytest.fixture
def limit() -> RateLimit:
    return RateLimit(inf, lambda: 0.0, lambda _: None)


@pytest.fixture
def bench() -> Iterator[ReembedHarness]:
    clock = FakeClock()
    store = MemoryStore(clock)
    yield ReembedHarness(store, clock)
    store.close()


def busy() -> Times:
    return Times({0.001: 100})


def test_it_rests_is_then_limited_and_is_unlimited_at_the_end(limit: RateLimit) -> None:
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


def test_a_re_embedding_beside_lookups_encodes_everything_and_no_faster_than_they_bear(bench: ReembedHarness) -> None:
    keys = bench.fill(60)
    rates: list[float] = []

    def lookups() -> Times:
        rates.append(reembedding.keys_per_second)
        return busy()

    reembedding = bench.reembedding(lookups=lookups)
    reembedding.run(split_ring(4))
    assert sorted(bench.rows()) == sorted(keys)
    assert rates[:3] == [0, 0, 0]
    assert all(0 < rate < 100 for rate in rates[4:])


def test_a_re_embedding_that_rests_stops_at_once(bench: ReembedHarness) -> None:
    bench.fill(60)
    called = threading.Event()

    def lookups() -> Times:
        called.set()
        return busy()

    reembedding = bench.reembedding(lookups=lookups)

    def stop() -> None:
        assert called.wait(60)
        bench.stopping.set()

    with ThreadPoolExecutor(1) as pool:
        stopped = pool.submit(stop)
        with pytest.raises(StoppedError):
            reembedding.run(split_ring(4))
        stopped.result()
    assert bench.rows() == {}


def test_without_a_latency_source_there_is_no_limit(bench: ReembedHarness) -> None:
    bench.fill(60)
    reembedding = bench.reembedding()
    assert reembedding.keys_per_second == inf
    reembedding.run(split_ring(4))
    assert len(bench.rows()) == 60
