"""Being stopped, servers that are away, other processes, limits: what a re-embedding waits for and what it leaves."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import pytest
from eventually import eventually
from fake_clock import FakeClock
from faults import FaultyStore
from hypothesis import given
from hypothesis import strategies as st
from kfc_parts import UNREACHABLE, kfc_settings
from reembed_bench import Life, MortalStore, ReembedBench

from embark.settings import Listen
from embark.store import Row, Served, TokenRange, split_ring
from embark.store.memory import MemoryStore
from kfc import reembedding_run, source_pages
from kfc.outages import StoppedError
from kfc.rates import RateLimit
from kfc.reembedding import Reembedding


@pytest.fixture
def bench() -> ReembedBench:
    return _bench()


def _bench(**settings: int) -> ReembedBench:
    clock = FakeClock()
    return ReembedBench(MemoryStore(clock), clock, kfc_settings(**settings))  # type: ignore[arg-type]


@contextmanager
def _running(reembedding: Reembedding, parts: int = 1) -> Iterator[list[BaseException]]:
    """Run it on a thread that has ended when the block has; yields what it ended with."""
    ends: list[BaseException] = []

    def body() -> None:
        try:
            reembedding.run(split_ring(parts))
        except BaseException as error:  # noqa: BLE001 - looked at by the test
            ends.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    yield ends
    thread.join(10)
    assert not thread.is_alive()


def test_being_stopped_keeps_what_is_being_encoded(bench: ReembedBench) -> None:
    keys = bench.fill(200)
    holds = [bench.encoder.hold(key) for key in keys]
    with _running(bench.reembedding()) as ends:
        eventually(lambda: sum(entered.is_set() for entered, _ in holds) == 4, what="all threads encode")
        bench.stopping.set()
        for _, released in holds:
            released.set()
    assert [type(end) for end in ends] == [StoppedError]
    assert bench.rows().keys() == set(bench.encoder.times)
    assert len(bench.encoder.times) == 4 * 16
    bench.stopping.clear()
    bench.run(1)
    assert bench.encoder.times == dict.fromkeys(keys, 1)
    assert bench.counts() == (200, 0)


def test_being_stopped_waits_no_longer_than_the_drain_time(bench: ReembedBench) -> None:
    listen = Listen(host="127.0.0.1", probes_port=0, drain=timedelta(milliseconds=1))
    bench.settings = bench.settings.model_copy(update={"listen": listen})
    [key] = bench.fill(1)
    entered, released = bench.encoder.hold(key)
    with _running(bench.reembedding()) as ends:
        assert entered.wait(10)
        bench.stopping.set()
        eventually(lambda: ends, what="it ends while the call does not")
    released.set()
    assert bench.rows() == {}


def test_a_stop_during_an_outage_or_a_limit_is_not_waited_with() -> None:
    down, limited = _bench(), _bench()
    for bench in (down, limited):
        bench.fill(50)
    down.encoder.down.set()
    with _running(down.reembedding()) as ends:
        eventually(lambda: down.encoder.refused > 5, what="the outage is met")
        down.stopping.set()
    with _running(limited.reembedding(keys_per_second=0.0001)) as others:
        eventually(lambda: limited.told == [] and threading.active_count() > 1, what="it runs")
        limited.stopping.set()
    assert [type(end) for end in (*ends, *others)] == [StoppedError] * 2
    assert limited.encoder.times == {}


def test_an_outage_of_the_encoder_is_no_attempt(bench: ReembedBench) -> None:
    keys = bench.fill(50)
    bench.encoder.down.set()
    with _running(bench.reembedding()):
        eventually(lambda: bench.encoder.refused > 30, what="many more refusals than attempts")
        bench.encoder.down.clear()
    assert bench.counts() == (50, 0)
    assert bench.encoder.times == dict.fromkeys(keys, 1)


def test_an_outage_of_the_store_is_waited_for_without_a_second_encode(bench: ReembedBench) -> None:
    keys = bench.fill(50)
    store = _FaultyRollouts(bench)
    holds = [bench.encoder.hold(key) for key in keys]
    with _running(bench.reembedding(store)):
        eventually(lambda: any(entered.is_set() for entered, _ in holds), what="an encode is under way")
        store.failing.set()
        for _, released in holds:
            released.set()
        eventually(lambda: store.refused > 10, what="writes fail")
        assert bench.rows() == {}
        store.failing.clear()
    assert bench.counts() == (50, 0)
    assert bench.encoder.times == dict.fromkeys(keys, 1)


class _FaultyRollouts(MortalStore):
    """Lives for ever; its writes fail while `failing` is set."""

    def __init__(self, bench: ReembedBench) -> None:
        super().__init__(bench.store, Life(10**9, after=False))
        self.refused = 0

    def write(self, space: str, rows: Sequence[Row]) -> None:
        self.refused += self.failing.is_set()
        FaultyStore.write(self, space, rows)


def test_a_range_in_which_another_process_is_further_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_pages, "PAGE_ROWS", 10)
    bench = _bench()
    keys = bench.fill(400)
    first, second = split_ring(2)
    monkeypatch.setattr(reembedding_run, "_MOST_UNWRITTEN", 20)
    lost = bench.store.checkpoints()
    holds = [bench.encoder.hold(key) for key in _keys(bench, first)]
    with _running(bench.reembedding(), parts=2):
        eventually(lambda: any(entered.is_set() for entered, _ in holds), what="the first range is under way")
        assert lost.save(bench.space, lost.begin(bench.space, first).advanced(first.end, done=1, failed=2))
        for _, released in holds:
            released.set()
    there = {progress.within: progress for progress in lost.load(bench.space)}
    assert (there[first].done, there[first].failed) == (1, 2)
    assert there[second].over
    assert sum(done for done, _ in bench.told) == there[second].done
    assert len(bench.encoder.times) < len(keys)


def test_a_range_that_another_process_left_is_taken_up_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_pages, "PAGE_ROWS", 10)
    monkeypatch.setattr(reembedding_run, "_MOST_UNWRITTEN", 20)
    bench = _bench()
    keys = bench.fill(400)
    [whole] = split_ring(1)
    theirs = _keys(bench, whole)
    holds = [bench.encoder.hold(key) for key in theirs]
    late = bench.store.checkpoints()
    pages = list(bench.store.scan_range(bench.settings.source, whole, 10))
    with _running(bench.reembedding()):
        eventually(lambda: any(entered.is_set() for entered, _ in holds), what="it is under way")
        done = sum(len(page.rows) for page in pages[:20])
        assert late.save(bench.space, late.begin(bench.space, whole).advanced(pages[19].cursor, done=done, failed=0))
        for _, released in holds:
            released.set()
    assert bench.over()
    assert bench.counts() == (400, 0)
    assert bench.rows().keys() >= set(theirs[done:])
    assert max(bench.encoder.times.values()) == 1
    assert len(keys) == len(theirs)


def _keys(bench: ReembedBench, within: TokenRange) -> list[str]:
    return [row.key for page in bench.store.scan_range(bench.settings.source, within) for row in page.rows]


def test_a_key_that_waits_for_its_next_attempt_holds_back_no_other_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_pages, "PAGE_ROWS", 10)
    bench = _bench(max_attempts=2)
    retry = bench.settings.retry.model_copy(
        update={"initial_backoff": timedelta(hours=1), "max_backoff": timedelta(hours=1)}
    )
    bench.settings = bench.settings.model_copy(update={"retry": retry})
    keys = bench.fill(200)
    away = _keys(bench, split_ring(1)[0])[0]
    bench.encoder.causes[away] = UNREACHABLE
    with _running(bench.reembedding()):
        eventually(lambda: bench.rows().keys() == set(keys) - {away}, what="every other key is written")
        assert bench.counts() == (0, 0)  # the page of the first key is the first
        bench.stopping.set()


def test_pages_are_read_no_further_ahead_than_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_pages, "PAGE_ROWS", 10)
    monkeypatch.setattr(reembedding_run, "_MOST_UNWRITTEN", 20)
    bench = _bench()
    keys = bench.fill(400)
    holds = [bench.encoder.hold(key) for key in keys]
    store = _CountingStore(bench)
    with _running(bench.reembedding(store)):
        eventually(lambda: sum(entered.is_set() for entered, _ in holds) >= 2, what="encodes are held")
        eventually(lambda: store.rows >= 20, what="pages are read ahead")
        bench.stopping.set()
        for _, released in holds:
            released.set()
    assert store.rows <= 40


class _CountingStore(MortalStore):
    """Counts the rows that were looked for in the candidate."""

    def __init__(self, bench: ReembedBench) -> None:
        super().__init__(bench.store, Life(10**9, after=False))
        self.rows = 0

    def lookup(self, space: str, keys: Sequence[str], timeout: timedelta) -> dict[str, Served]:
        self.rows += len(keys)
        return super().lookup(space, keys, timeout)


def test_a_fault_of_the_program_ends_the_run(bench: ReembedBench) -> None:
    bench.fill(50)

    class Faulty:
        def encode(self, keys: object, traceparent: object) -> list[None]:
            raise ZeroDivisionError(f"{keys} {traceparent}")

    with pytest.raises(ZeroDivisionError):
        bench.reembedding(encoder=Faulty()).run(split_ring(1))  # type: ignore[arg-type]
    assert bench.counts() == (0, 0)


def test_checkpoints_of_another_split_are_refused(bench: ReembedBench) -> None:
    bench.run(3)
    with pytest.raises(ValueError, match="drop it before a scan"):
        bench.run(4)


def test_settings_without_a_source_are_refused(bench: ReembedBench) -> None:
    bench.settings = bench.settings.model_copy(update={"source": ""})
    with pytest.raises(ValueError, match="name no source"):
        bench.reembedding()


class _Timer:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


@given(st.floats(0.5, 1000), st.lists(st.tuples(st.integers(1, 64), st.floats(0, 3)), min_size=1, max_size=50))
def test_no_more_keys_are_let_through_than_the_rate_and_a_seconds_burst(
    rate: float, takes: list[tuple[int, float]]
) -> None:
    timer = _Timer()
    limit = RateLimit(rate, timer, timer.sleep)
    taken = 0
    for keys, idle in takes:
        timer.at += idle
        limit.take(keys)
        taken += keys
        assert taken <= rate * timer.at + 1e-6


def test_a_limit_lets_through_what_it_says_and_none_lets_through_all() -> None:
    timer = _Timer()
    limit = RateLimit(10, timer, timer.sleep)
    for _ in range(100):
        limit.take(4)
    assert timer.at == pytest.approx(40)
    RateLimit(0, timer, timer.sleep).take(10**9)
    assert timer.at == pytest.approx(40)


def test_what_was_not_used_in_an_outage_is_not_made_up_for() -> None:
    timer = _Timer()
    limit = RateLimit(10, timer, timer.sleep)
    timer.at = 1000
    for _ in range(10):
        limit.take(10)
    assert timer.at == pytest.approx(1009)
