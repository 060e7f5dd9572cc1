"""The rows of the candidate after a re-embedding, on a store in memory and on SQLite."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embark.causes import Cause
from embark.store import Embedding, Negative, RolloutStore, split_ring
from embark.store.memory import MemoryStore
from embark.store.sqlite.adapter import SqliteStore
from embark_testing.fake_clock import FakeClock
from embark_testing.kfc.parts import ENCODER_FAILED, NOT_FOUND, UNREACHABLE, fake_vector, kfc_settings
from embark_testing.kfc.reembed_harness import BLOCKED, SOURCE, UNDECODABLE, ReembedHarness
from kfc.reembed.options import ReembedLimits


@pytest.fixture(params=["memory", "sqlite"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ReembedHarness]:
    clock = FakeClock()
    store: RolloutStore = (
        MemoryStore(clock) if request.param == "memory" else SqliteStore(tmp_path / "embark.db", clock)
    )
    bench = ReembedHarness(store, clock)
    yield bench
    bench.stopping.set()
    store.close()


def test_every_key_of_the_source_is_encoded_once_and_counted(bench: ReembedHarness) -> None:
    keys = bench.fill(300)
    bench.run()
    at = bench.clock.at
    assert bench.rows() == {key: Embedding(key, fake_vector(key), at, b"hash") for key in keys}
    assert bench.encoder.times == dict.fromkeys(keys, 1)
    assert bench.counts() == (300, 0)
    assert bench.finished()
    assert [sum(counts) for counts in zip(*bench.progress, strict=True)] == [300, 0]


def test_calls_and_their_keys_stay_within_the_settings(bench: ReembedHarness) -> None:
    bench.fill(300)
    bench.run()
    assert max(len(keys) for keys, _ in bench.encoder.calls) == bench.settings.encode_items
    assert bench.encoder.most_at_once <= bench.settings.max_inflight


def test_finished_ranges_are_not_read_again(bench: ReembedHarness) -> None:
    bench.fill(50)
    bench.run()
    bench.fill(50, "later")  # those the candidate's own KFC fills
    bench.run()
    assert len(bench.encoder.times) == 50
    assert bench.counts() == (50, 0)


def test_keys_in_the_candidate_are_not_encoded_again(bench: ReembedHarness) -> None:
    keys = bench.fill(40)
    there = [Embedding(key, b"there", 5) for key in keys[:10]]
    bench.store.write(bench.space, there)
    bench.run()
    assert bench.encoder.times == dict.fromkeys(keys[10:], 1)
    assert [bench.rows()[row.key] for row in there] == there
    assert bench.counts() == (40, 0)


def test_a_negative_whose_cause_is_not_the_model_is_copied_unchanged(bench: ReembedHarness) -> None:
    copied = [bench.fill_negative(str(cause.kind), cause) for cause in (NOT_FOUND, BLOCKED, UNREACHABLE)]
    bench.run()
    assert bench.rows() == {row.key: row for row in copied}
    assert bench.encoder.times == {}
    assert bench.counts() == (3, 0)


def test_a_negative_never_replaces_a_row_of_the_candidate(bench: ReembedHarness) -> None:
    bench.fill_negative("came back", NOT_FOUND)
    row = Embedding("came back", b"there", 1)
    bench.store.write(bench.space, [row])
    bench.run()
    assert bench.rows() == {"came back": row}


def test_keys_that_the_old_model_could_not_decode_are_encoded_again_and_never_fail(bench: ReembedHarness) -> None:
    for key, cause in (("readable now", None), ("still not", UNDECODABLE), ("away", UNREACHABLE)):
        bench.fill_negative(key, UNDECODABLE)
        if cause:
            bench.encoder.causes[key] = cause
    bench.run()
    rows = bench.rows()
    assert isinstance(rows["readable now"], Embedding)
    assert isinstance(rows["still not"], Negative)
    assert rows.keys() == {"readable now", "still not"}
    assert bench.counts() == (3, 0)


def test_a_key_that_the_new_model_cannot_encode_becomes_a_negative_and_fails(bench: ReembedHarness) -> None:
    keys = bench.fill(20)
    bench.encoder.causes[keys[3]] = UNDECODABLE
    bench.run()
    row = bench.rows()[keys[3]]
    assert isinstance(row, Negative)
    assert (row.cause, row.written_at) == (UNDECODABLE, bench.clock.at)
    assert bench.counts() == (19, 1)


def test_a_failed_key_fails_again_without_an_encode_unless_retried(bench: ReembedHarness) -> None:
    [key] = bench.fill(1)
    bench.encoder.causes[key] = UNDECODABLE
    bench.run()
    bench.store.checkpoints().drop(bench.space)
    bench.run()
    assert (bench.counts(), bench.encoder.times[key]) == ((0, 1), 1)
    bench.store.checkpoints().drop(bench.space)
    bench.encoder.causes.clear()
    bench.clock.advance(timedelta(seconds=1))
    bench.run(retry_failed=True)
    assert (bench.counts(), bench.encoder.times[key]) == ((1, 0), 2)
    assert isinstance(bench.rows()[key], Embedding)


def test_a_retry_encodes_no_negative_that_the_source_has_too(bench: ReembedHarness) -> None:
    bench.fill_negative("never was one", UNDECODABLE)
    bench.encoder.causes["never was one"] = UNDECODABLE
    bench.run()
    bench.store.checkpoints().drop(bench.space)
    bench.run(retry_failed=True)
    assert bench.encoder.times == {"never was one": 1}
    assert bench.counts() == (1, 0)


def test_a_temporary_cause_is_retried_and_then_fails_without_a_row(bench: ReembedHarness) -> None:
    keys = bench.fill(60)
    bench.encoder.causes |= {keys[0]: UNREACHABLE, keys[1]: ENCODER_FAILED}
    bench.run()
    assert bench.rows().keys() == set(keys[2:])
    assert [bench.encoder.times[key] for key in keys[:3]] == [5, 5, 1]
    assert bench.counts() == (58, 2)
    assert bench.finished()


def test_a_row_written_during_the_re_embedding_wins_by_its_time(bench: ReembedHarness) -> None:
    [key] = bench.fill(1)
    entered, released = bench.encoder.hold(key)
    younger = Embedding(key, b"by its KFC", bench.clock.at + 1)

    running = threading.Thread(target=bench.run)
    running.start()
    assert entered.wait(10)
    bench.store.write(bench.space, [younger])
    released.set()
    running.join(10)
    assert bench.rows() == {key: younger}


def test_an_embedding_has_the_lifetime_of_its_cache(tmp_path: Path) -> None:
    clock = FakeClock()
    bench = ReembedHarness(SqliteStore(tmp_path / "embark.db", clock), clock, kfc_settings(ttl="1h"))
    [key] = bench.fill(1)
    bench.run()
    row = bench.rows()[key]
    assert row.expires_at == clock.at + 3_600_000_000
    bench.store.close()


def test_the_ranges_of_an_empty_source_are_finished(bench: ReembedHarness) -> None:
    bench.run()
    assert bench.counts() == (0, 0)
    assert bench.finished()
    assert len(bench.store.checkpoints().load(bench.space)) == 4


def test_processes_that_share_the_ranges_encode_every_key_once(bench: ReembedHarness) -> None:
    keys = bench.fill(200)
    for index in range(3):
        bench.reembedding().run(split_ring(16)[index::3])
    assert bench.encoder.times == dict.fromkeys(keys, 1)
    assert bench.counts() == (200, 0)


def test_every_key_of_any_source_ends_in_the_candidate() -> None:
    known = st.sampled_from(["none", "embedding", "negative"])
    in_source = st.sampled_from([None, None, NOT_FOUND, UNDECODABLE, UNREACHABLE])
    answers = st.sampled_from([None, None, UNDECODABLE, NOT_FOUND])

    @given(st.lists(st.tuples(in_source, known, answers), max_size=40), st.integers(1, 9), st.booleans())
    @settings(max_examples=40, deadline=None)
    def check(keys: list[tuple[Cause | None, str, Cause | None]], parts: int, retry_failed: bool) -> None:  # noqa: FBT001
        clock = FakeClock()
        bench = ReembedHarness(MemoryStore(clock), clock)
        bench.limits = ReembedLimits(page_rows=5)
        for number, (cause, there, answer) in enumerate(keys):
            key = f"key {number}"
            row = Negative(key, cause, 1, clock.at + 10**12) if cause else Embedding(key, b"old", 1)
            bench.store.write(SOURCE, [row])
            if there == "embedding":
                bench.store.write(bench.space, [Embedding(key, b"there", 1)])
            elif there == "negative":
                bench.store.write(bench.space, [Negative(key, UNDECODABLE, 1, clock.at + 10**12)])
            if answer:
                bench.encoder.causes[key] = answer
        bench.run(parts, retry_failed=retry_failed)
        rows = bench.rows()
        assert rows.keys() == {f"key {number}" for number in range(len(keys))}
        lost = sum(cause is None and isinstance(rows[f"key {i}"], Negative) for i, (cause, *_) in enumerate(keys))
        assert bench.counts() == (len(keys) - lost, lost)
        assert bench.finished()

    check()
