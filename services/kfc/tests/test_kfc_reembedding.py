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
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ReembedHarness]:
    clock = FakeClock()
    store: RolloutStore = (
        MemoryStore(clock) if request.param == "memory" else SqliteStore(tmp_path / "embark.db", clock)
    )
    harness = ReembedHarness(store, clock)
    yield harness
    harness.stopping.set()
    store.close()


def test_every_key_of_the_source_is_encoded_once_and_counted(harness: ReembedHarness) -> None:
    keys = harness.fill(300)
    harness.run()
    at = harness.clock.at
    assert harness.rows() == {key: Embedding(key, fake_vector(key), at, b"hash") for key in keys}
    assert harness.encoder.times == dict.fromkeys(keys, 1)
    assert harness.counts() == (300, 0)
    assert harness.finished()
    assert [sum(counts) for counts in zip(*harness.progress, strict=True)] == [300, 0]


def test_calls_and_their_keys_stay_within_the_settings(harness: ReembedHarness) -> None:
    harness.fill(300)
    harness.run()
    assert max(len(keys) for keys, _ in harness.encoder.calls) == harness.settings.encode_items
    assert harness.encoder.most_at_once <= harness.settings.max_inflight


def test_finished_ranges_are_not_read_again(harness: ReembedHarness) -> None:
    harness.fill(50)
    harness.run()
    harness.fill(50, "later")  # those the candidate's own KFC fills
    harness.run()
    assert len(harness.encoder.times) == 50
    assert harness.counts() == (50, 0)


def test_keys_in_the_candidate_are_not_encoded_again(harness: ReembedHarness) -> None:
    keys = harness.fill(40)
    there = [Embedding(key, b"there", 5) for key in keys[:10]]
    harness.store.write(harness.space, there)
    harness.run()
    assert harness.encoder.times == dict.fromkeys(keys[10:], 1)
    assert [harness.rows()[row.key] for row in there] == there
    assert harness.counts() == (40, 0)


def test_a_negative_whose_cause_is_not_the_model_is_copied_unchanged(harness: ReembedHarness) -> None:
    copied = [harness.fill_negative(str(cause.kind), cause) for cause in (NOT_FOUND, BLOCKED, UNREACHABLE)]
    harness.run()
    assert harness.rows() == {row.key: row for row in copied}
    assert harness.encoder.times == {}
    assert harness.counts() == (3, 0)


def test_a_negative_never_replaces_a_row_of_the_candidate(harness: ReembedHarness) -> None:
    harness.fill_negative("came back", NOT_FOUND)
    row = Embedding("came back", b"there", 1)
    harness.store.write(harness.space, [row])
    harness.run()
    assert harness.rows() == {"came back": row}


def test_keys_that_the_old_model_could_not_decode_are_encoded_again_and_never_fail(harness: ReembedHarness) -> None:
    for key, cause in (("readable now", None), ("still not", UNDECODABLE), ("away", UNREACHABLE)):
        harness.fill_negative(key, UNDECODABLE)
        if cause:
            harness.encoder.causes[key] = cause
    harness.run()
    rows = harness.rows()
    assert isinstance(rows["readable now"], Embedding)
    assert isinstance(rows["still not"], Negative)
    assert rows.keys() == {"readable now", "still not"}
    assert harness.counts() == (3, 0)


def test_a_key_that_the_new_model_cannot_encode_becomes_a_negative_and_fails(harness: ReembedHarness) -> None:
    keys = harness.fill(20)
    harness.encoder.causes[keys[3]] = UNDECODABLE
    harness.run()
    row = harness.rows()[keys[3]]
    assert isinstance(row, Negative)
    assert (row.cause, row.written_at) == (UNDECODABLE, harness.clock.at)
    assert harness.counts() == (19, 1)


def test_a_failed_key_fails_again_without_an_encode_unless_retried(harness: ReembedHarness) -> None:
    [key] = harness.fill(1)
    harness.encoder.causes[key] = UNDECODABLE
    harness.run()
    harness.store.checkpoints().drop(harness.space)
    harness.run()
    assert (harness.counts(), harness.encoder.times[key]) == ((0, 1), 1)
    harness.store.checkpoints().drop(harness.space)
    harness.encoder.causes.clear()
    harness.clock.advance(timedelta(seconds=1))
    harness.run(retry_failed=True)
    assert (harness.counts(), harness.encoder.times[key]) == ((1, 0), 2)
    assert isinstance(harness.rows()[key], Embedding)


def test_a_retry_encodes_no_negative_that_the_source_has_too(harness: ReembedHarness) -> None:
    harness.fill_negative("never was one", UNDECODABLE)
    harness.encoder.causes["never was one"] = UNDECODABLE
    harness.run()
    harness.store.checkpoints().drop(harness.space)
    harness.run(retry_failed=True)
    assert harness.encoder.times == {"never was one": 1}
    assert harness.counts() == (1, 0)


def test_a_temporary_cause_is_retried_and_then_fails_without_a_row(harness: ReembedHarness) -> None:
    keys = harness.fill(60)
    harness.encoder.causes |= {keys[0]: UNREACHABLE, keys[1]: ENCODER_FAILED}
    harness.run()
    assert harness.rows().keys() == set(keys[2:])
    assert [harness.encoder.times[key] for key in keys[:3]] == [5, 5, 1]
    assert harness.counts() == (58, 2)
    assert harness.finished()


def test_a_row_written_during_the_re_embedding_wins_by_its_time(harness: ReembedHarness) -> None:
    [key] = harness.fill(1)
    entered, released = harness.encoder.hold(key)
    younger = Embedding(key, b"by its KFC", harness.clock.at + 1)

    running = threading.Thread(target=harness.run)
    running.start()
    assert entered.wait(10)
    harness.store.write(harness.space, [younger])
    released.set()
    running.join(10)
    assert harness.rows() == {key: younger}


def test_an_embedding_has_the_lifetime_of_its_cache(tmp_path: Path) -> None:
    clock = FakeClock()
    harness = ReembedHarness(SqliteStore(tmp_path / "embark.db", clock), clock, kfc_settings(ttl="1h"))
    [key] = harness.fill(1)
    harness.run()
    row = harness.rows()[key]
    assert row.expires_at == clock.at + 3_600_000_000
    harness.store.close()


def test_the_ranges_of_an_empty_source_are_finished(harness: ReembedHarness) -> None:
    harness.run()
    assert harness.counts() == (0, 0)
    assert harness.finished()
    assert len(harness.store.checkpoints().load(harness.space)) == 4


def test_processes_that_share_the_ranges_encode_every_key_once(harness: ReembedHarness) -> None:
    keys = harness.fill(200)
    for index in range(3):
        harness.reembedding().run(split_ring(16)[index::3])
    assert harness.encoder.times == dict.fromkeys(keys, 1)
    assert harness.counts() == (200, 0)


def test_every_key_of_any_source_ends_in_the_candidate() -> None:
    known = st.sampled_from(["none", "embedding", "negative"])
    in_source = st.sampled_from([None, None, NOT_FOUND, UNDECODABLE, UNREACHABLE])
    answers = st.sampled_from([None, None, UNDECODABLE, NOT_FOUND])

    @given(st.lists(st.tuples(in_source, known, answers), max_size=40), st.integers(1, 9), st.booleans())
    @settings(max_examples=40, deadline=None)
    def check(keys: list[tuple[Cause | None, str, Cause | None]], parts: int, retry_failed: bool) -> None:  # noqa: FBT001
        clock = FakeClock()
        harness = ReembedHarness(MemoryStore(clock), clock)
        harness.limits = ReembedLimits(page_rows=5)
        for number, (cause, there, answer) in enumerate(keys):
            key = f"key {number}"
            row = Negative(key, cause, 1, clock.at + 10**12) if cause else Embedding(key, b"old", 1)
            harness.store.write(SOURCE, [row])
            if there == "embedding":
                harness.store.write(harness.space, [Embedding(key, b"there", 1)])
            elif there == "negative":
                harness.store.write(harness.space, [Negative(key, UNDECODABLE, 1, clock.at + 10**12)])
            if answer:
                harness.encoder.causes[key] = answer
        harness.run(parts, retry_failed=retry_failed)
        rows = harness.rows()
        assert rows.keys() == {f"key {number}" for number in range(len(keys))}
        lost = sum(cause is None and isinstance(rows[f"key {i}"], Negative) for i, (cause, *_) in enumerate(keys))
        assert harness.counts() == (len(keys) - lost, lost)
        assert harness.finished()

    check()
