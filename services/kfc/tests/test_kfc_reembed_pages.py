"""The pages of a re-embedding: which process has them, how far they are read ahead, and what holds one back."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from embark.store import KeyPage, TokenRange, split_ring
from embark_testing.contracts.checkpoints import begin
from embark_testing.eventually import eventually
from embark_testing.kfc.parts import UNREACHABLE
from embark_testing.kfc.reembed_harness import Life, MortalStore, ReembedHarness
from embark_testing.kfc.reembed_running import bench_of, keys_in, running
from kfc.reembed import pages as source_pages
from kfc.reembed import pipeline as reembedding_run


def test_a_range_in_which_another_process_is_further_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_pages, "PAGE_ROWS", 10)
    bench = bench_of()
    keys = bench.fill(400)
    first, second = split_ring(2)
    monkeypatch.setattr(reembedding_run, "_MOST_READ", 20)
    lost = bench.store.checkpoints()
    holds = [bench.encoder.hold(key) for key in keys_in(bench, first)]
    with running(bench.reembedding(), parts=2):
        eventually(lambda: any(entered.is_set() for entered, _ in holds), what="the first range is under way")
        assert lost.save(bench.space, begin(lost, bench.space, first).advanced(first.end, done=1, failed=2))
        for _, released in holds:
            released.set()
    there = {progress.token_range: progress for progress in lost.load(bench.space)}
    assert (there[first].done, there[first].failed) == (1, 2)
    assert there[second].finished
    assert sum(done for done, _ in bench.progress) == there[second].done
    assert len(bench.encoder.times) < len(keys)


def test_a_range_that_another_process_left_is_taken_up_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_pages, "PAGE_ROWS", 10)
    monkeypatch.setattr(reembedding_run, "_MOST_READ", 20)
    bench = bench_of()
    keys = bench.fill(400)
    [whole] = split_ring(1)
    theirs = keys_in(bench, whole)
    holds = [bench.encoder.hold(key) for key in theirs]
    late = bench.store.checkpoints()
    pages = list(bench.store.scan_range(bench.settings.source, whole, 10))
    with running(bench.reembedding()):
        eventually(lambda: any(entered.is_set() for entered, _ in holds), what="it is under way")
        done = sum(len(page.rows) for page in pages[:20])
        assert late.save(bench.space, begin(late, bench.space, whole).advanced(pages[19].cursor, done=done, failed=0))
        for _, released in holds:
            released.set()
    assert bench.over()
    assert bench.counts() == (400, 0)
    assert bench.rows().keys() >= set(theirs[done:])
    assert max(bench.encoder.times.values()) == 1
    assert len(keys) == len(theirs)


def test_a_key_that_waits_for_its_next_attempt_holds_back_no_other_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_pages, "PAGE_ROWS", 10)
    bench = bench_of(max_attempts=2)
    retry = bench.settings.retry.model_copy(
        update={"initial_backoff": timedelta(hours=1), "max_backoff": timedelta(hours=1)}
    )
    bench.settings = bench.settings.model_copy(update={"retry": retry})
    keys = bench.fill(200)
    away = keys_in(bench, split_ring(1)[0])[0]
    bench.encoder.causes[away] = UNREACHABLE
    with running(bench.reembedding()):
        eventually(lambda: bench.rows().keys() == set(keys) - {away}, what="every other key is written")
        assert bench.counts() == (0, 0)  # the page of the first key is the first
        bench.stopping.set()


def test_pages_are_read_no_further_ahead_than_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_pages, "PAGE_ROWS", 10)
    monkeypatch.setattr(reembedding_run, "_MOST_READ", 20)
    bench = bench_of()
    keys = bench.fill(400)
    holds = [bench.encoder.hold(key) for key in keys]
    store = _CountingStore(bench)
    with running(bench.reembedding(store)):
        eventually(lambda: sum(entered.is_set() for entered, _ in holds) >= 2, what="encodes are held")
        eventually(lambda: store.rows >= 20, what="pages are read ahead")
        bench.stopping.set()
        for _, released in holds:
            released.set()
    assert store.rows <= 40


def test_two_pages_are_read_at_a_time() -> None:
    bench = bench_of()
    keys = bench.fill(100)
    bench.reembedding(_MeetingStore(bench)).run(split_ring(2))
    assert bench.rows().keys() == set(keys)


class _MeetingStore(MortalStore):
    """Reads no page of the source until two are asked for."""

    def __init__(self, bench: ReembedHarness) -> None:
        super().__init__(bench.store, Life(10**9, after=False))
        self._source = bench.settings.source
        self._two = threading.Barrier(2, timeout=30)

    def scan_keys(self, space: str, token_range: TokenRange, page: int = 1000) -> Iterator[KeyPage]:
        if space == self._source:
            self._two.wait()
        yield from super().scan_keys(space, token_range, page)


class _CountingStore(MortalStore):
    """Counts the rows that were read of the source."""

    def __init__(self, bench: ReembedHarness) -> None:
        super().__init__(bench.store, Life(10**9, after=False))
        self.rows = 0

    def scan_keys(self, space: str, token_range: TokenRange, page: int = 1000) -> Iterator[KeyPage]:
        for found in super().scan_keys(space, token_range, page):
            self.rows += len(found.rows)
            yield found
