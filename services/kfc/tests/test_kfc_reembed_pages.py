"""The pages of a re-embedding: which process has them, how far they are read ahead, and what delays them."""

import threading
from collections.abc import Iterator
from datetime import timedelta

from embark.store import KeyPage, TokenRange, split_ring
from embark_testing.contracts.checkpoints import begin
from embark_testing.eventually import eventually
from embark_testing.kfc.parts import UNREACHABLE
from embark_testing.kfc.reembed_harness import Life, MortalStore, ReembedHarness
from embark_testing.kfc.reembed_running import keys_in, memory_harness, running
from kfc.reembed.options import ReembedLimits

SMALL_PAGES = ReembedLimits(page_rows=10, max_read=20)


def test_a_range_in_which_another_process_is_ahead_is_left_to_it() -> None:
    harness = memory_harness(SMALL_PAGES)
    keys = harness.fill(400)
    first, second = split_ring(2)
    lost = harness.store.checkpoints()
    holds = [harness.encoder.hold(key) for key in keys_in(harness, first)]
    with running(harness.reembedding(), parts=2):
        eventually(lambda: any(entered.is_set() for entered, _ in holds), what="the first range is in progress")
        assert lost.save(harness.space, begin(lost, harness.space, first).advanced(first.end, done=1, failed=2))
        for _, released in holds:
            released.set()
    stored = {progress.token_range: progress for progress in lost.load(harness.space)}
    assert (stored[first].done, stored[first].failed) == (1, 2)
    assert stored[second].finished
    assert sum(done for done, _ in harness.progress) == stored[second].done
    assert len(harness.encoder.times) < len(keys)


def test_a_range_that_another_process_left_unfinished_is_finished_at_the_end() -> None:
    harness = memory_harness(SMALL_PAGES)
    keys = harness.fill(400)
    [whole] = split_ring(1)
    theirs = keys_in(harness, whole)
    holds = [harness.encoder.hold(key) for key in theirs]
    late = harness.store.checkpoints()
    pages = list(harness.store.scan_range(harness.settings.source, whole, 10))
    with running(harness.reembedding()):
        eventually(lambda: any(entered.is_set() for entered, _ in holds), what="encodes are held")
        done = sum(len(page.rows) for page in pages[:20])
        assert late.save(
            harness.space, begin(late, harness.space, whole).advanced(pages[19].cursor, done=done, failed=0)
        )
        for _, released in holds:
            released.set()
    assert harness.finished()
    assert harness.counts() == (400, 0)
    assert harness.rows().keys() >= set(theirs[done:])
    assert max(harness.encoder.times.values()) == 1
    assert len(keys) == len(theirs)


def test_a_key_that_waits_for_its_next_attempt_delays_no_other_page() -> None:
    harness = memory_harness(ReembedLimits(page_rows=10), max_attempts=2)
    retry = harness.settings.retry.model_copy(
        update={"initial_backoff": timedelta(hours=1), "max_backoff": timedelta(hours=1)}
    )
    harness.settings = harness.settings.model_copy(update={"retry": retry})
    keys = harness.fill(200)
    away = keys_in(harness, split_ring(1)[0])[0]
    harness.encoder.causes[away] = UNREACHABLE
    with running(harness.reembedding()):
        eventually(lambda: harness.rows().keys() == set(keys) - {away}, what="every other key is written")
        assert harness.counts() == (0, 0)  # the page of the first key is the first
        harness.stopping.set()


def test_only_a_few_pages_are_read_ahead() -> None:
    harness = memory_harness(SMALL_PAGES)
    keys = harness.fill(400)
    holds = [harness.encoder.hold(key) for key in keys]
    store = _CountingStore(harness)
    with running(harness.reembedding(store)):
        eventually(lambda: sum(entered.is_set() for entered, _ in holds) >= 2, what="encodes are held")
        eventually(lambda: store.rows >= 20, what="pages are read ahead")
        harness.stopping.set()
        for _, released in holds:
            released.set()
    assert store.rows <= 40


def test_two_pages_are_read_at_a_time() -> None:
    harness = memory_harness()
    keys = harness.fill(100)
    harness.reembedding(_MeetingStore(harness)).run(split_ring(2))
    assert harness.rows().keys() == set(keys)


class _MeetingStore(MortalStore):
    """Reads no page of the source until two are requested."""

    def __init__(self, harness: ReembedHarness) -> None:
        super().__init__(harness.store, Life(10**9, after=False))
        self._source = harness.settings.source
        self._two = threading.Barrier(2, timeout=30)

    def scan_keys(self, space: str, token_range: TokenRange, page: int = 1000) -> Iterator[KeyPage]:
        if space == self._source:
            self._two.wait()
        yield from super().scan_keys(space, token_range, page)


class _CountingStore(MortalStore):
    """Counts the rows read from the source."""

    def __init__(self, harness: ReembedHarness) -> None:
        super().__init__(harness.store, Life(10**9, after=False))
        self.rows = 0

    def scan_keys(self, space: str, token_range: TokenRange, page: int = 1000) -> Iterator[KeyPage]:
        for found in super().scan_keys(space, token_range, page):
            self.rows += len(found.rows)
            yield found
