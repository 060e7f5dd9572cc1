"""The contract of scans in token ranges, which every store meets."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import cycle, islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embark.errors import ClosedError, UnavailableError
from embark.store import Negative, Page, Present, RolloutStore, Row, TokenRange, split_ring
from embark_testing.contracts.rows import OTHER_SPACE, SPACE, embedding, negative
from embark_testing.fake_clock import FakeClock

[WHOLE] = split_ring(1)
EMPTY = TokenRange(5, 5)


class RangesContract:
    """Needs the fixtures `clock` (the FakeClock of the store) and `store` (open, with both spaces ensured)."""

    def test_any_number_of_ranges_holds_every_row_exactly_once(self, store: RolloutStore, clock: FakeClock) -> None:
        rows = _fill(store, clock, 200)

        @given(st.integers(1, 12), st.integers(1, 60))
        @settings(max_examples=20, deadline=None)
        def check(parts: int, page: int) -> None:
            seen = [row for part in split_ring(parts) for row in _scanned(store, part, page)]
            assert sorted(seen, key=_key) == rows

        check()

    def test_a_scan_stopped_anywhere_and_resumed_sees_every_row_exactly_once(
        self, store: RolloutStore, clock: FakeClock
    ) -> None:
        rows = _fill(store, clock, 120)

        @given(st.integers(1, 3), st.integers(1, 40), st.lists(st.integers(1, 4), min_size=1, max_size=4))
        @settings(max_examples=20, deadline=None)
        def check(parts: int, page: int, runs: list[int]) -> None:
            seen: list[Row] = []
            for part in split_ring(parts):
                cursor = part.start
                for pages_of_this_run in islice(cycle(runs), 1 + len(rows)):
                    scan = store.scan_range(SPACE, TokenRange(cursor, part.end), page)
                    for _, found in zip(range(pages_of_this_run), scan, strict=False):
                        seen += found.rows
                        cursor = found.cursor
                    if cursor == part.end:
                        break
            assert sorted(seen, key=_key) == rows

        check()

    def test_cursors_only_move_forward_and_end_with_the_range(self, store: RolloutStore, clock: FakeClock) -> None:
        _fill(store, clock, 60)
        for part in split_ring(3):
            pages = list(store.scan_range(SPACE, part, 7))
            cursors = [page.cursor for page in pages]
            assert cursors == sorted(cursors)
            assert part.start <= cursors[0]
            assert cursors[-1] == part.end
            assert all(len(page.rows) <= 7 for page in pages)

    def test_a_key_stays_in_its_range_when_other_keys_are_written(self, store: RolloutStore, clock: FakeClock) -> None:
        before = _parts_by_key(store, _fill(store, clock, 30))
        store.write(SPACE, [embedding(f"another {i}", 1) for i in range(30)])
        store.write(SPACE, [embedding("key 7", clock.at + 9)])
        assert before.items() <= _parts_by_key(store, before).items()

    def test_a_scan_in_ranges_sees_the_rows_from_before_it_while_rows_change(
        self, store: RolloutStore, clock: FakeClock
    ) -> None:
        existing = {row.key for row in _fill(store, clock, 80)}
        seen: list[str] = []
        for i, page in enumerate(store.scan_range(SPACE, WHOLE, 10)):
            seen += [row.key for row in page.rows]
            store.write(SPACE, [embedding(f"new {i}-{j}", 1) for j in range(10)])
            store.write(SPACE, [embedding(seen[0], clock.at + i), embedding("key 79", clock.at + i)])
        assert len(seen) == len(set(seen))
        assert set(seen) >= existing

    def test_deleted_and_expired_rows_are_in_no_range(self, store: RolloutStore, clock: FakeClock) -> None:
        store.write(SPACE, [embedding("e", 1, expires_at=clock.at + 1), negative("n", 1, clock.at + 1)])
        store.write(SPACE, [embedding("kept", 1), embedding("deleted", 1)])
        store.delete(SPACE, ["deleted"], 2)
        assert [row.key for row in sorted(_scanned(store, WHOLE, 2), key=_key)] == ["e", "kept", "n"]
        clock.advance(timedelta(seconds=1))
        assert _scanned(store, WHOLE, 2) == [embedding("kept", 1)]

    def test_a_scan_of_keys_yields_negatives_whole_and_embeddings_as_present(
        self, store: RolloutStore, clock: FakeClock
    ) -> None:
        rows = _fill(store, clock, 120)
        rows.append(embedding("expiring", 1, expires_at=clock.at + 10**9))
        expired: list[Row] = [embedding("expired", 1, expires_at=clock.at), negative("expired too", 1, clock.at)]
        store.write(SPACE, [rows[-1], *expired, embedding("deleted", 1)])
        store.delete(SPACE, ["deleted"], 2)
        pages = [page for part in split_ring(3) for page in store.scan_keys(SPACE, part, 7)]
        assert {row.key: row for page in pages for row in page.rows} == {
            row.key: row if isinstance(row, Negative) else Present(row.key, row.expires_at) for row in rows
        }

    def test_a_scan_of_keys_has_the_pages_of_a_scan_of_rows(self, store: RolloutStore, clock: FakeClock) -> None:
        _fill(store, clock, 60)
        for token_range in (*split_ring(3), EMPTY):
            keys = [([row.key for row in page.rows], page.cursor) for page in store.scan_keys(SPACE, token_range, 7)]
            assert keys == [
                ([row.key for row in rows], at) for rows, at in _pages(store.scan_range(SPACE, token_range, 7))
            ]

    def test_a_range_without_rows_also_has_a_last_page(self, store: RolloutStore, clock: FakeClock) -> None:
        assert _pages(store.scan_range(SPACE, WHOLE)) == [((), WHOLE.end)]
        _fill(store, clock, 3)
        assert _pages(store.scan_range(SPACE, EMPTY)) == [((), EMPTY.end)]
        assert _pages(store.scan_range(OTHER_SPACE, WHOLE)) == [((), WHOLE.end)]

    def test_ranges_of_a_space_that_was_never_ensured_are_unavailable(self, store: RolloutStore) -> None:
        with pytest.raises(UnavailableError, match="store"):
            next(store.scan_range("feedfeedfeed", WHOLE))

    def test_a_scan_in_ranges_ends_when_its_store_closes(self, store: RolloutStore, clock: FakeClock) -> None:
        _fill(store, clock, 9)
        half_read = store.scan_range(SPACE, WHOLE, 2)
        next(half_read)
        store.close()
        with pytest.raises(ClosedError):
            next(half_read)
        with pytest.raises(ClosedError):
            next(store.scan_range(SPACE, WHOLE))


def _fill(store: RolloutStore, clock: FakeClock, count: int) -> list[Row]:
    """Write rows, every tenth a negative, and return them sorted by key."""
    rows: list[Row] = [
        negative(f"key {i}", 1, clock.at + 10**12) if i % 10 == 9 else embedding(f"key {i}", 1) for i in range(count)
    ]
    store.write(SPACE, rows)
    return sorted(rows, key=_key)


def _scanned(store: RolloutStore, token_range: TokenRange, page: int) -> list[Row]:
    return [row for found in store.scan_range(SPACE, token_range, page) for row in found.rows]


def _parts_by_key(store: RolloutStore, keys: Sequence[Row] | dict[str, list[int]]) -> dict[str, list[int]]:
    parts: dict[str, list[int]] = defaultdict(list)
    for i, part in enumerate(split_ring(8)):
        for row in _scanned(store, part, 5):
            parts[row.key].append(i)
    assert len(parts) >= len(keys)
    return parts


def _pages(pages: Iterator[Page]) -> list[tuple[tuple[Row, ...], int]]:
    return [(tuple(page.rows), page.cursor) for page in pages]


def _key(row: Row) -> str:
    return row.key
