"""The contract of every store; a subclass for each adapter provides the fixtures."""

import threading
from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embark.causes import Cause, CauseKind
from embark.errors import ClosedError, UnavailableError
from embark.store import Embedding, EmbeddingStore, Row
from embark_testing.contracts.rows import OTHER_SPACE, PATIENT, SPACE, embedding, look_up, negative, read_one, scanned
from embark_testing.contracts.write_rule import WriteRule
from embark_testing.fake_clock import FakeClock


class StoreContract(WriteRule):
    """Needs the fixtures `clock` (the FakeClock of the store) and `store` (open, with both spaces ensured)."""

    def test_a_row_is_read_as_it_was_written(self, store: EmbeddingStore, clock: FakeClock) -> None:
        rows: list[Row] = [
            embedding("https://example.org/ä 'quoted' \"key\".jpg", 7, bytes(range(256)) * 20),
            Embedding("no hash, with TTL", b"\1\2\3\4", clock.at, b"", clock.at + 10_000_000),
            negative("not found", 8, clock.at + 10_000_000),
        ]
        store.write(SPACE, rows)
        assert store.read(SPACE, [row.key for row in rows], PATIENT) == {row.key: row for row in rows}
        assert [read_one(store, row.key) for row in rows] == rows

    def test_a_lookup_returns_vector_or_cause_and_expiry_of_every_row(
        self, store: EmbeddingStore, clock: FakeClock
    ) -> None:
        expires_at = clock.at + 10_000_000
        rows: list[Row] = [
            embedding("ä 'quoted' \"key\"", 7, bytes(range(256)) * 20),
            embedding("with TTL", 7, expires_at=expires_at),
            negative("not found", 8, expires_at),
        ]
        store.write(SPACE, rows)
        expected = {
            rows[0].key: (bytes(range(256)) * 20, None),
            "with TTL": (b"\0\0\x80\x3f", expires_at),
            "not found": (Cause(CauseKind.NOT_FOUND, "404: absent"), expires_at),
        }
        assert look_up(store, *expected) == expected
        assert {key: row for key in expected for key, row in look_up(store, key).items()} == expected

    def test_a_lookup_finds_the_keys_that_a_read_finds(self, store: EmbeddingStore, clock: FakeClock) -> None:
        expires_at = clock.at + 60_000_000
        rows = [embedding(f"key {i}", i + 1, i.to_bytes(4, "little")) for i in range(2000)]
        store.write(SPACE, [*rows[::2], embedding("e", 1, expires_at=expires_at), negative("n", 1, expires_at)])
        store.delete(SPACE, ["key 4"], 5)
        clock.advance(timedelta(seconds=60))
        keys = [*(row.key for row in rows), "e", "n", "key 2"]
        found = look_up(store, *keys)
        assert found == {row.key: (row.vector, None) for row in rows[::2] if row.key != "key 4"}
        assert found.keys() == store.read(SPACE, keys, PATIENT).keys()
        assert [look_up(store, key) for key in ("e", "n", "key 4", "KEY 2")] == [{}] * 4
        assert look_up(store) == {}

    def test_a_key_without_a_row_is_absent_from_the_result(self, store: EmbeddingStore) -> None:
        store.write(SPACE, [embedding("stored", 1)])
        assert set(store.read(SPACE, ["stored", "not stored", "stored", "STORED", "stored "], PATIENT)) == {"stored"}
        assert store.read(SPACE, [], PATIENT) == {}

    def test_one_read_returns_two_thousand_keys(self, store: EmbeddingStore) -> None:
        rows = [embedding(f"key {i}", i + 1, i.to_bytes(4, "little")) for i in range(2000)]
        store.write(SPACE, rows[::2])
        assert store.read(SPACE, [row.key for row in rows], PATIENT) == {row.key: row for row in rows[::2]}

    def test_no_reader_sees_an_expired_row(self, store: EmbeddingStore, clock: FakeClock) -> None:
        expires_at = clock.at + 60_000_000
        store.write(
            SPACE, [embedding("e", 1, expires_at=expires_at), negative("n", 1, expires_at), embedding("for ever", 1)]
        )
        assert len(scanned(store)) == 3
        clock.advance(timedelta(seconds=60))
        assert set(store.read(SPACE, ["e", "n", "for ever"], PATIENT)) == {"for ever"}
        assert [read_one(store, "e"), read_one(store, "n")] == [None, None]
        assert [row.key for row in scanned(store)] == ["for ever"]
        assert store.count(SPACE) == 1

    def test_negatives_are_scanned_and_not_counted(self, store: EmbeddingStore, clock: FakeClock) -> None:
        store.write(SPACE, [embedding("a", 1), embedding("b", 1), negative("c", 1, clock.at + 1_000_000)])
        store.write(SPACE, [embedding("d", 1, expires_at=clock.at + 1_000_000)])
        assert store.count(SPACE) == 3
        assert {row.key for row in scanned(store)} == {"a", "b", "c", "d"}

    def test_a_scan_is_bounded_by_page_and_sees_each_row_once_while_rows_change(self, store: EmbeddingStore) -> None:
        existing = {f"key {i}" for i in range(95)}
        store.write(SPACE, [embedding(key, 1) for key in existing])
        seen: list[str] = []
        for i, rows in enumerate(store.scan(SPACE, page=10)):
            assert 1 <= len(rows) <= 10
            seen += [row.key for row in rows]
            store.write(SPACE, [embedding(f"new {i}-{j}", 1) for j in range(20)])
            store.write(SPACE, [embedding(seen[0], i + 2), embedding("key 94", i + 2)])
        assert len(seen) == len(set(seen))
        assert set(seen) >= existing

    def test_a_row_deleted_during_a_scan_affects_no_other(self, store: EmbeddingStore) -> None:
        existing = {f"key {i}" for i in range(30)}
        store.write(SPACE, [embedding(key, 1) for key in existing])
        pages = store.scan(SPACE, page=10)
        first = {row.key for row in next(pages)}
        deleted = set(sorted(existing - first)[:5])
        store.delete(SPACE, sorted(deleted | first), 2)
        rest = {row.key for rows in pages for row in rows}
        assert rest == existing - first - deleted

    def test_spaces_are_isolated(self, store: EmbeddingStore) -> None:
        store.write(SPACE, [embedding("key", 1)])
        assert store.read(OTHER_SPACE, ["key"], PATIENT) == {}
        store.delete(OTHER_SPACE, ["key"], 9)
        assert (store.count(SPACE), store.count(OTHER_SPACE)) == (1, 0)

    def test_ensuring_a_space_again_keeps_its_rows(self, store: EmbeddingStore) -> None:
        store.write(SPACE, [embedding("key", 1)])
        store.ensure_space(SPACE)
        assert read_one(store, "key") == embedding("key", 1)

    def test_a_space_that_was_never_ensured_is_unavailable(self, store: EmbeddingStore) -> None:
        unknown = "feedfeedfeed"
        with pytest.raises(UnavailableError, match="store"):
            store.read(unknown, ["key"], PATIENT)
        with pytest.raises(UnavailableError, match="store"):
            store.lookup(unknown, ["key"], PATIENT)
        with pytest.raises(UnavailableError, match="store"):
            store.write(unknown, [embedding("key", 1)])
        with pytest.raises(UnavailableError, match="store"):
            store.delete(unknown, ["key"], 1)
        with pytest.raises(UnavailableError, match="store"):
            next(iter(store.scan(unknown)))
        with pytest.raises(UnavailableError, match="store"):
            store.count(unknown)

    def test_a_closed_store_rejects_calls_and_may_be_closed_twice(self, store: EmbeddingStore) -> None:
        store.write(SPACE, [embedding("key", 1), embedding("key 2", 1)])
        half_read = store.scan(SPACE, page=1)
        next(iter(half_read))
        store.close()
        store.close()
        with pytest.raises(ClosedError):
            store.read(SPACE, ["key"], PATIENT)
        with pytest.raises(ClosedError):
            store.lookup(SPACE, ["key"], PATIENT)
        with pytest.raises(ClosedError):
            store.write(SPACE, [embedding("key", 1)])
        with pytest.raises(ClosedError):
            store.delete(SPACE, ["key"], 1)
        with pytest.raises(ClosedError):
            next(iter(half_read))
        with pytest.raises(ClosedError):
            store.count(SPACE)
        with pytest.raises(ClosedError):
            store.ensure_space(SPACE)

    def test_threads_may_write_and_read_concurrently(self, store: EmbeddingStore) -> None:
        stale: list[Row] = []
        start = threading.Barrier(4)

        def write(times: Sequence[int]) -> None:
            start.wait()
            for at in times:
                store.write(SPACE, [embedding(f"key {i}", at, at.to_bytes(4, "little")) for i in range(5)])
                row = read_one(store, "key 0")
                if row is None or row.written_at < at:
                    stale.append(embedding("too old", at))

        orders = [range(1, 41), range(40, 0, -1), range(2, 41, 2), range(1, 41, 3)]
        threads = [threading.Thread(target=write, args=(times,)) for times in orders]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert stale == []
        assert sorted(scanned(store), key=lambda row: row.key) == [
            embedding(f"key {i}", 40, (40).to_bytes(4, "little")) for i in range(5)
        ]

    def test_any_text_is_a_key(self, store: EmbeddingStore, clock: FakeClock) -> None:
        @given(st.sets(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1), max_size=6))
        @settings(max_examples=40, deadline=None)
        def check(keys: set[str]) -> None:
            clock.advance(timedelta(microseconds=1))
            rows = {key: embedding(key, clock.at) for key in keys}
            store.write(SPACE, list(rows.values()))
            assert store.read(SPACE, [*keys, "another, not written"], PATIENT) == rows
            assert {row.key for row in rows.values() if read_one(store, row.key) == row} == keys
            assert {row.key for row in scanned(store)} == keys
            store.delete(SPACE, list(keys), clock.at)

        check()
        assert store.count(SPACE) == 0
