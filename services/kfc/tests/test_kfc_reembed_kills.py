"""A re-embedding that dies at any of its calls, and its successor: no key is lost, few are encoded twice."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from embark.store import RolloutStore, Row, split_ring
from embark.store.memory import MemoryStore
from embark.store.sqlite.adapter import SqliteStore
from embark_testing.fake_clock import FakeClock
from embark_testing.kfc.parts import NOT_FOUND, kfc_settings
from embark_testing.kfc.reembed_harness import (
    UNDECODABLE,
    FlakyLife,
    KilledError,
    Life,
    MortalEncoder,
    MortalStore,
    ReembedHarness,
)
from kfc.reembed.options import ReembedLimits

PARTS = split_ring(3)
ITEMS = 2
LIMITS = ReembedLimits(page_rows=4, max_read=8, max_unwritten=8)


@pytest.fixture(params=["memory", "sqlite"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RolloutStore]:
    """Yield empty stores."""

    def make() -> Iterator[RolloutStore]:
        number = 0
        while True:
            clock = FakeClock()
            number += 1
            path = tmp_path / f"{number}.db"
            yield MemoryStore(clock) if request.param == "memory" else SqliteStore(path, clock)

    return make()


def _filled(stores: Iterator[RolloutStore]) -> ReembedHarness:
    harness = ReembedHarness(next(stores), FakeClock(), kfc_settings(encode_items=ITEMS, max_inflight=2))
    harness.limits = LIMITS
    keys = harness.fill(30)
    harness.encoder.causes[keys[4]] = UNDECODABLE
    harness.fill_negative("missing", NOT_FOUND)
    harness.fill_negative("odd", UNDECODABLE)
    return harness


def _end(harness: ReembedHarness) -> tuple[dict[str, Row], tuple[int, int], bool]:
    return harness.rows(), harness.counts(), harness.finished()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_death_at_any_call_costs_only_the_encodes_in_flight(stores: Iterator[RolloutStore], *, after: bool) -> None:
    with closing((undisturbed := _filled(stores)).store):
        life = Life(10**9, after=False)
        undisturbed.reembedding(MortalStore(undisturbed.store, life), MortalEncoder(undisturbed.encoder, life)).run(
            PARTS
        )
        expected = _end(undisturbed)
    assert life.count > 40
    for calls in range(1, life.count + 1):
        with closing((harness := _filled(stores)).store):
            mortal = Life(calls, after=after)
            dying = harness.reembedding(MortalStore(harness.store, mortal), MortalEncoder(harness.encoder, mortal))
            try:
                dying.run(PARTS)
            except KilledError:
                pass
            else:
                assert mortal.count < calls  # it happened to need fewer calls than the undisturbed one
            kept = harness.rows()
            harness.reembedding().run(PARTS)
            assert _end(harness) == expected
            twice = {key for key, times in harness.encoder.times.items() if times > 1}
            assert not twice & kept.keys()
            assert len(twice) <= LIMITS.max_unwritten
            assert max(harness.encoder.times.values()) <= 2


def test_processes_that_die_repeatedly_reach_the_same_end(stores: Iterator[RolloutStore]) -> None:
    with closing((undisturbed := _filled(stores)).store):
        undisturbed.reembedding().run(PARTS)
        expected = _end(undisturbed)
    with closing((harness := _filled(stores)).store):
        for calls in range(12, 200, 3):
            mortal = Life(calls, after=calls % 2 == 0)
            store, encoder = MortalStore(harness.store, mortal), MortalEncoder(harness.encoder, mortal)
            try:
                harness.reembedding(store, encoder).run(PARTS)
            except KilledError:
                continue
            break
        assert _end(harness) == expected


def test_calls_that_fail_temporarily_change_nothing(stores: Iterator[RolloutStore]) -> None:
    with closing((undisturbed := _filled(stores)).store):
        undisturbed.reembedding().run(PARTS)
        expected = _end(undisturbed)
    with closing((harness := _filled(stores)).store):
        life = FlakyLife()
        harness.reembedding(MortalStore(harness.store, life)).run(PARTS)
        assert _end(harness) == expected
        assert set(harness.encoder.times.values()) == {1}
        assert life.count > 60
