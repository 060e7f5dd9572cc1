"""A re-embedding that is stopped, waits out outages or is refused."""

import threading
from collections.abc import Sequence
from datetime import timedelta

import pytest

from embark.settings import Listen
from embark.store import Row, split_ring
from embark_testing.eventually import eventually
from embark_testing.faults import FaultyStore
from embark_testing.kfc.reembed_harness import Life, MortalStore, ReembedHarness
from embark_testing.kfc.reembed_running import memory_harness, running
from kfc.outages import StoppedError


@pytest.fixture
def harness() -> ReembedHarness:
    return memory_harness()


def test_a_stop_keeps_the_results_of_encodes_in_flight(harness: ReembedHarness) -> None:
    keys = harness.fill(200)
    holds = [harness.encoder.hold(key) for key in keys]
    with running(harness.reembedding()) as ends:
        eventually(lambda: sum(entered.is_set() for entered, _ in holds) == 4, what="all threads encode")
        harness.stopping.set()
        for _, released in holds:
            released.set()
    assert [type(end) for end in ends] == [StoppedError]
    assert harness.rows().keys() == set(harness.encoder.times)
    assert len(harness.encoder.times) == 4 * 16
    harness.stopping.clear()
    harness.run(1)
    assert harness.encoder.times == dict.fromkeys(keys, 1)
    assert harness.counts() == (200, 0)


def test_a_stop_waits_at_most_for_the_drain_time(harness: ReembedHarness) -> None:
    listen = Listen(host="127.0.0.1", probes_port=0, drain=timedelta(milliseconds=1))
    harness.settings = harness.settings.model_copy(update={"listen": listen})
    [key] = harness.fill(1)
    entered, released = harness.encoder.hold(key)
    with running(harness.reembedding()) as ends:
        assert entered.wait(10)
        harness.stopping.set()
        eventually(lambda: ends, what="it ends while the call does not")
    released.set()
    assert harness.rows() == {}


def test_a_stop_does_not_wait_for_an_outage_or_a_limit() -> None:
    down, limited = memory_harness(), memory_harness()
    for harness in (down, limited):
        harness.fill(50)
    down.encoder.down.set()
    with running(down.reembedding()) as ends:
        eventually(lambda: down.encoder.refused > 5, what="the outage is met")
        down.stopping.set()
    with running(limited.reembedding(keys_per_second=0.0001)) as others:
        eventually(lambda: limited.progress == [] and threading.active_count() > 1, what="it runs")
        limited.stopping.set()
    assert [type(end) for end in (*ends, *others)] == [StoppedError] * 2
    assert limited.encoder.times == {}


def test_an_outage_of_the_encoder_is_not_an_attempt(harness: ReembedHarness) -> None:
    keys = harness.fill(50)
    harness.encoder.down.set()
    with running(harness.reembedding()):
        eventually(lambda: harness.encoder.refused > 30, what="many more refusals than attempts")
        harness.encoder.down.clear()
    assert harness.counts() == (50, 0)
    assert harness.encoder.times == dict.fromkeys(keys, 1)


def test_an_outage_of_the_store_is_waited_out_without_a_second_encode(harness: ReembedHarness) -> None:
    keys = harness.fill(50)
    store = _FaultyRollouts(harness)
    holds = [harness.encoder.hold(key) for key in keys]
    with running(harness.reembedding(store)):
        eventually(lambda: any(entered.is_set() for entered, _ in holds), what="an encode is under way")
        store.failing.set()
        for _, released in holds:
            released.set()
        eventually(lambda: store.refused > 10, what="writes fail")
        assert harness.rows() == {}
        store.failing.clear()
    assert harness.counts() == (50, 0)
    assert harness.encoder.times == dict.fromkeys(keys, 1)


def test_only_a_few_keys_are_encoded_while_none_can_be_written(harness: ReembedHarness) -> None:
    keys, items = harness.fill(1500), harness.settings.encode_items
    store = _FaultyRollouts(harness)
    store.failing.set()
    with running(harness.reembedding(store)):
        eventually(lambda: len(harness.encoder.times) > 500 - items, what="as many as may be are encoded")
        refused = store.refused
        eventually(lambda: store.refused > refused + 20, what="writes fail for a while")
        assert len(harness.encoder.times) <= 500
        store.failing.clear()
    assert harness.encoder.times == dict.fromkeys(keys, 1)


class _FaultyRollouts(MortalStore):
    """A store whose writes fail while `failing` is set."""

    def __init__(self, harness: ReembedHarness) -> None:
        super().__init__(harness.store, Life(10**9, after=False))
        self.refused = 0

    def write(self, space: str, rows: Sequence[Row]) -> None:
        self.refused += self.failing.is_set()
        FaultyStore.write(self, space, rows)


def test_an_unexpected_error_ends_the_re_embedding(harness: ReembedHarness) -> None:
    harness.fill(50)

    class Faulty:
        def encode(self, keys: object, traceparent: object) -> list[None]:
            raise ZeroDivisionError(f"{keys} {traceparent}")

    with pytest.raises(ZeroDivisionError):
        harness.reembedding(encoder=Faulty()).run(split_ring(1))  # type: ignore[arg-type]
    assert harness.counts() == (0, 0)


def test_checkpoints_of_another_split_are_refused(harness: ReembedHarness) -> None:
    harness.run(3)
    with pytest.raises(ValueError, match="drop it before a scan"):
        harness.run(4)


def test_settings_without_a_source_are_refused(harness: ReembedHarness) -> None:
    harness.settings = harness.settings.model_copy(update={"source": ""})
    with pytest.raises(ValueError, match="name no source"):
        harness.reembedding()
