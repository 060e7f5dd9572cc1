"""Splitting tokens into ranges and fetched rows into pages, in general and in SQLite."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embark.store import Page, Row, TokenRange, split_ring
from embark.store.ranges import FIRST_TOKEN, LAST_TOKEN, pages_between_tokens, to_token
from embark.store.sqlite import table as sqlite_table
from embark.store.sqlite.adapter import SqliteLimits, SqliteStore
from embark_testing.contracts.ranges import WHOLE
from embark_testing.contracts.rows import SPACE, embedding, scanned
from embark_testing.fake_clock import FakeClock

Entry = tuple[int, Row | None]
# Few tokens, so that many keys share one; None stands for an expired row.
TOKENS = st.lists(st.integers(1, 9), max_size=40).map(sorted)


@given(st.integers(1, 2000))
def test_any_split_covers_every_token_exactly_once_in_ranges_of_equal_size(parts: int) -> None:
    ranges = split_ring(parts)
    assert len(ranges) == parts
    assert (ranges[0].start, ranges[-1].end) == (FIRST_TOKEN, LAST_TOKEN)
    assert all(before.end == after.start for before, after in pairwise(ranges))
    sizes = {part.end - part.start for part in ranges}
    assert max(sizes) - min(sizes) <= 1


def test_a_part_always_has_the_same_tokens() -> None:
    assert split_ring(3)[1] == TokenRange(-3074457345618258603, 3074457345618258602)
    assert split_ring(2) == [TokenRange(-(2**63), -1), TokenRange(-1, 2**63 - 1)]


@pytest.mark.parametrize("parts", [0, -1])
def test_a_ring_is_split_into_at_least_one_part(parts: int) -> None:
    with pytest.raises(ValueError, match=f"into {parts} parts"):
        split_ring(parts)


@pytest.mark.parametrize(("start", "end"), [(1, 0), (-(2**63) - 1, 0), (0, 2**63)])
def test_an_invalid_range_is_rejected(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="not a range of tokens"):
        TokenRange(start, end)


def test_the_token_of_a_key_never_changes() -> None:
    assert to_token("https://example.org/ä.jpg") == -6245500411252490837
    assert to_token("") == -1970711489451281740


@given(TOKENS, st.integers(1, 5))
def test_every_row_up_to_a_cursor_was_yielded(tokens: list[int], size: int) -> None:
    entries = build_entries(tokens)
    seen: list[Row] = []
    for page in to_pages(fetched(entries, size), size):
        assert len(page.rows) <= 2 * size
        seen += page.rows
        assert len(seen) >= len(rows_up_to(entries, page.cursor))
    assert page.cursor == 99
    assert seen == rows_up_to(entries, 99)


@given(TOKENS, st.integers(3, 5))
def test_a_scan_that_is_resumed_after_every_page_reaches_its_end(tokens: list[int], size: int) -> None:
    entries = [entry for _, same in groupby(build_entries(tokens), itemgetter(0)) for entry in list(same)[:size]]
    cursor, seen = 0, list[Row]()
    while cursor < 99:
        page = next(to_pages(fetched([entry for entry in entries if entry[0] > cursor], size), size))
        seen += page.rows
        assert page.cursor > cursor
        cursor = page.cursor
    assert seen == rows_up_to(entries, 99)


def test_thousands_of_keys_with_one_token_are_never_collected_in_memory() -> None:
    entries = build_entries([1] + [5] * 3000 + [6])
    pages = list(to_pages(fetched(entries, 10), 10))
    assert max(len(page.rows) for page in pages) <= 20
    assert [row for page in pages for row in page.rows] == rows_up_to(entries, 99)
    assert {page.cursor for page in pages} == {1, 4, 5, 99}


def test_a_page_of_expired_rows_moves_the_cursor() -> None:
    pages = list(to_pages([[(1, None), (2, None)], [(3, None), (4, embedding("key", 1))]], 2))
    assert [(list(page.rows), page.cursor) for page in pages] == [([], 1), ([], 3), ([embedding("key", 1)], 99)]


def test_sqlite_pages_keys_that_share_a_token(path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_table, "to_token", lambda key: int(key[0]))
    store = SqliteStore(path, clock)
    store.ensure_space(SPACE)
    keys = {f"{token}-{i}" for token in range(1, 4) for i in range(7)}
    store.write(SPACE, [embedding(key, 1) for key in sorted(keys, reverse=True)])
    for page in (1, 3, 7, 100):
        seen = [row.key for found in store.scan_range(SPACE, WHOLE, page) for row in found.rows]
        assert sorted(seen) == sorted(keys)
        part = [row.key for found in store.scan_range(SPACE, TokenRange(1, 2), page) for row in found.rows]
        assert sorted(part) == [f"2-{i}" for i in range(7)]
    store.close()


def test_a_page_of_a_range_reads_no_row_before_it(store: SqliteStore, path: Path) -> None:
    statement = store._table(SPACE).range_page
    with closing(sqlite3.connect(path)) as connection:
        plan = [step for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {statement}", (0, 0, 9, 1, 5))]
    [step] = plan
    assert step.endswith("_tokens (token>? AND token<?)")


def test_a_file_from_a_release_without_ranges_gets_its_tokens(store: SqliteStore, path: Path, clock: FakeClock) -> None:
    rows = [embedding(f"key {i}", 1) for i in range(10)]
    store.write(SPACE, rows)
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"DROP INDEX embeddings_{SPACE}_tokens")
        connection.execute(f"ALTER TABLE embeddings_{SPACE} DROP COLUMN token")
    again = SqliteStore(path, clock, SqliteLimits(rows_per_batch=4))
    again.ensure_space(SPACE)
    assert scanned(again) == rows
    in_ranges = [row for part in split_ring(4) for page in again.scan_range(SPACE, part, 3) for row in page.rows]
    again.close()
    assert sorted(in_ranges, key=lambda row: to_token(row.key)) == in_ranges
    assert {row.key for row in in_ranges} == {row.key for row in rows}


def build_entries(tokens: Sequence[int]) -> list[Entry]:
    """Return an entry for each token, every fourth for an expired row."""
    return [(token, None if i % 4 == 3 else embedding(f"key {i}", 1)) for i, token in enumerate(tokens)]


def fetched(entries: Sequence[Entry], size: int) -> Iterator[Sequence[Entry]]:
    """Yield entries as a store does: at most `size` at a time, sometimes fewer or none."""
    start, count = 0, size
    while start < len(entries):
        yield entries[start : start + count]
        start, count = start + count, (count - 1 if count else size)


def to_pages(entries: Iterable[Sequence[Entry]], size: int) -> Iterator[Page]:
    """Return the pages of a range that ends at token 99."""
    return pages_between_tokens(entries, 99, size)


def rows_up_to(entries: Sequence[Entry], cursor: int) -> list[Row]:
    """Return the rows up to and including the token `cursor`."""
    return [row for token, row in entries if row is not None and token <= cursor]
