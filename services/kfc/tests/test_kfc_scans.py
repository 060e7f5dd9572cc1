"""The pages of a range: no call to the store is made without need."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embark.errors import UnavailableError
from embark.store import Embedding, KeyPage, TokenRange, split_ring
from embark.store.memory import MemoryStore
from embark_testing.fake_clock import FakeClock
from kfc.outages import Server
from kfc.scans import call_without_retry, scan_pages

T = TypeVar("T")
SPACE = "5005005005aa"
[WHOLE] = split_ring(1)


def _store(rows: int) -> MemoryStore:
    store = MemoryStore(FakeClock())
    store.ensure_space(SPACE)
    store.write(SPACE, [Embedding(f"key {number}", b"vector", 1) for number in range(rows)])
    return store


def _keys(pages: Sequence[KeyPage]) -> list[str]:
    return [row.key for page in pages for row in page.rows]


@pytest.mark.parametrize("rows", [0, 1, 2, 99])
def test_a_range_shorter_than_a_page_is_one_page(rows: int) -> None:
    [page] = scan_pages(_store(rows), SPACE, WHOLE, call_without_retry, 100)
    assert len(page.rows) == rows
    assert page.cursor == WHOLE.end


@given(st.integers(0, 60), st.integers(2, 20))
def test_every_row_is_in_one_page_of_fewer_than_twice_the_size(rows: int, size: int) -> None:
    store = _store(rows)
    pages = list(scan_pages(store, SPACE, WHOLE, call_without_retry, size))
    assert _keys(pages) == _keys(list(store.scan_keys(SPACE, WHOLE)))
    assert max(len(page.rows) for page in pages) < 2 * size
    assert [page.cursor for page in pages] == sorted({page.cursor for page in pages})
    assert pages[-1].cursor == WHOLE.end


@given(st.integers(0, 60), st.integers(2, 20), st.integers(2, 30))
def test_the_length_of_pages_does_not_depend_on_fetch_rows(rows: int, size: int, fetch_rows: int) -> None:
    store = _store(rows)
    fetched: list[int] = []

    class _Recording(MemoryStore):
        def scan_keys(self, space: str, token_range: TokenRange, page: int = 1000) -> Iterator[KeyPage]:
            fetched.append(page)
            return store.scan_keys(space, token_range, page)

    pages = list(scan_pages(_Recording(FakeClock()), SPACE, WHOLE, call_without_retry, size, fetch_rows=fetch_rows))
    assert fetched == [min(size, fetch_rows)]
    assert _keys(pages) == _keys(list(store.scan_keys(SPACE, WHOLE)))
    assert all(size - 1 <= len(page.rows) < 2 * size for page in pages[:-1])
    assert pages[-1].cursor == WHOLE.end


class _Failing:
    """A store whose scans fail after every page."""

    def __init__(self, rows: int) -> None:
        self._store = _store(rows)
        self.begun: list[int] = []

    def scan_keys(self, space: str, token_range: TokenRange, page: int = 1000) -> Iterator[KeyPage]:
        self.begun.append(token_range.start)
        yield next(self._store.scan_keys(space, token_range, page))
        raise UnavailableError("store", "away")


@given(st.integers(0, 60), st.integers(2, 20))
def test_a_scan_that_fails_between_pages_omits_and_repeats_no_row(rows: int, size: int) -> None:
    def retry_until_up(_: Server, call: Callable[[], T], /) -> T:
        while True:
            try:
                return call()
            except UnavailableError:
                continue

    store = _Failing(rows)
    pages = list(scan_pages(store, SPACE, WHOLE, retry_until_up, size))
    assert _keys(pages) == _keys(list(_store(rows).scan_keys(SPACE, WHOLE)))
    assert store.begun == sorted(set(store.begun))
