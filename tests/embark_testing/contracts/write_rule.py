"""The contract of writes and deletes, which every store meets."""

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embark.clock import Micros
from embark.store import EmbeddingStore, Row
from embark_testing.contracts.rows import PATIENT, SPACE, embedding, negative, read_one, scanned
from embark_testing.fake_clock import FakeClock


@dataclass(frozen=True)
class Delete:
    """A delete of one key in a history; a write is represented by its row."""

    key: str
    at: Micros


class WriteRule:
    """The latest `written_at` wins, an equal write wins over a write, a delete wins over an equal or earlier write."""

    # A store that keeps another of equal writes sets this to False, and has a strict xfail.
    last_of_equals_wins = True

    @pytest.mark.parametrize("times", [(1, 2, 3), (3, 2, 1), (2, 3, 1)])
    def test_the_latest_write_wins_in_any_order(self, store: EmbeddingStore, times: Sequence[int]) -> None:
        for at in times:
            store.write(SPACE, [embedding("key", at)])
        assert read_one(store, "key") == embedding("key", 3)

    def test_an_equal_write_wins_over_the_stored_row(self, store: EmbeddingStore, clock: FakeClock) -> None:
        store.write(SPACE, [embedding("key", 5, b"1111"), embedding("key", 5, b"2222")])
        assert read_one(store, "key") == embedding("key", 5, b"2222")
        store.write(SPACE, [negative("key", 5, clock.at + 1_000_000)])
        assert read_one(store, "key") == negative("key", 5, clock.at + 1_000_000)

    @pytest.mark.parametrize("written_at", [4, 5])
    def test_a_delete_beats_an_earlier_or_equal_write_in_any_order(
        self, store: EmbeddingStore, written_at: int
    ) -> None:
        store.write(SPACE, [embedding("before", written_at)])
        store.delete(SPACE, ["before", "after"], 5)
        store.write(SPACE, [embedding("after", written_at)])
        assert store.read(SPACE, ["before", "after"], PATIENT) == {}
        assert scanned(store) == []
        assert store.count(SPACE) == 0

    def test_a_later_write_beats_a_delete_in_any_order(self, store: EmbeddingStore) -> None:
        store.write(SPACE, [embedding("before", 6)])
        store.delete(SPACE, ["before", "after"], 5)
        store.write(SPACE, [embedding("after", 6)])
        assert set(store.read(SPACE, ["before", "after"], PATIENT)) == {"before", "after"}

    def test_an_earlier_delete_never_weakens_a_later_one(self, store: EmbeddingStore) -> None:
        store.delete(SPACE, ["key"], 9)
        store.delete(SPACE, ["key"], 3)
        store.write(SPACE, [embedding("key", 8)])
        assert read_one(store, "key") is None

    def test_a_delete_stands_when_the_clock_steps_back(self, store: EmbeddingStore, clock: FakeClock) -> None:
        store.write(SPACE, [embedding("key", 1)])
        store.delete(SPACE, ["key"], clock.at)
        clock.advance(timedelta(hours=-1))
        assert store.read(SPACE, ["key", "another"], PATIENT) == {}
        assert read_one(store, "key") is None
        assert scanned(store) == []

    def test_an_expired_row_still_rejects_earlier_writes(self, store: EmbeddingStore, clock: FakeClock) -> None:
        store.write(SPACE, [negative("key", 5, clock.at + 1)])
        clock.advance(timedelta(hours=1))
        store.write(SPACE, [embedding("key", 4)])
        assert read_one(store, "key") is None
        store.write(SPACE, [embedding("key", 6)])
        assert read_one(store, "key") == embedding("key", 6)

    def test_any_interleaving_of_writes_and_deletes_follows_the_rule(
        self, store: EmbeddingStore, clock: FakeClock
    ) -> None:
        histories = st.lists(st.lists(_changes(clock.at + 10**12), min_size=1, max_size=4), max_size=8)
        if not self.last_of_equals_wins:
            histories = histories.filter(_has_no_equal_writes)
        examples = itertools.count()

        @given(histories)
        @settings(max_examples=80, deadline=None)
        def check(history: list[list[Row | Delete]]) -> None:
            prefix = f"{next(examples)} "
            batches = [[replace(change, key=prefix + change.key) for change in batch] for batch in history]
            for batch in batches:
                _apply(store, batch)
            expected = _apply_rule([change for batch in batches for change in batch])
            assert store.read(SPACE, [prefix + "a", prefix + "b"], PATIENT) == expected

        check()
        assert next(examples) >= 80


def _changes(expires_at: Micros) -> st.SearchStrategy[Row | Delete]:
    keys, times = st.sampled_from("ab"), st.integers(1, 6)
    vectors = st.binary(min_size=4, max_size=4)
    return st.one_of(
        st.builds(embedding, keys, times, vectors),
        st.builds(negative, keys, times, st.integers(expires_at, expires_at + 3)),
        st.builds(Delete, keys, times),
    )


def _has_no_equal_writes(history: Sequence[Sequence[Row | Delete]]) -> bool:
    writes = [(c.key, c.written_at) for batch in history for c in batch if not isinstance(c, Delete)]
    return len(writes) == len(set(writes))


def _apply(store: EmbeddingStore, batch: Sequence[Row | Delete]) -> None:
    """Apply changes in order, adjacent writes in one call."""
    rows: list[Row] = []
    for change in batch:
        if isinstance(change, Delete):
            store.write(SPACE, rows)
            rows = []
            store.delete(SPACE, [change.key], change.at)
        else:
            rows.append(change)
    store.write(SPACE, rows)


def _apply_rule(changes: Sequence[Row | Delete]) -> dict[str, Row]:
    """Return, by key, the latest write that is later than every delete; of equal ones the last to arrive."""
    deleted: dict[str, Micros] = defaultdict(int)
    for change in changes:
        if isinstance(change, Delete):
            deleted[change.key] = max(deleted[change.key], change.at)
    rows: dict[str, Row] = {}
    for change in changes:
        if isinstance(change, Delete) or change.written_at <= deleted[change.key]:
            continue
        if change.key not in rows or change.written_at >= rows[change.key].written_at:
            rows[change.key] = change
    return rows
