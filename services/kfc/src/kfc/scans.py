"""Scans of a space by token range that survive outages of the store."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final, Protocol, TypeVar

from embark.store import KeyPage, KeyReader, Scanned, TokenRange
from kfc.outages import Server

T = TypeVar("T")

# Enough that a checkpoint for each page costs little, and few enough to hold several pages in memory.
PAGE_ROWS: Final = 1000
# Longer than of a lookup: no caller waits for the rows of a page.
READ_TIMEOUT: Final = timedelta(seconds=10)


class RetryUntilUp(Protocol):
    """Calls a server, with or without retries; Outages.retry_until_up retries."""

    def __call__(self, server: Server, call: Callable[[], T], /) -> T:
        """Return the result of `call`."""
        ...


def call_without_retry(_: Server, call: Callable[[], T], /) -> T:
    """Return the result of `call`, or raise its error."""
    return call()


def scan_pages(
    store: KeyReader,
    space: str,
    token_range: TokenRange,
    retry_until_up: RetryUntilUp,
    page_rows: int,
    *,
    fetch_rows: int | None = None,
) -> Iterator[KeyPage]:
    """Yield the pages of a range as `scan_keys` does; a scan that fails continues after its last cursor.

    `fetch_rows` are requested from the store at a time, by default `page_rows`. A page that is not full is joined with
    the next one, since a range shorter than a page would otherwise come as two, with its last token apart, and every
    page costs calls to the store. So a page has fewer than twice `page_rows` rows.
    """
    fetch_rows = min(fetch_rows or page_rows, page_rows)
    scan: Iterator[KeyPage] | None = None
    cursor = token_range.start

    def fetch() -> KeyPage:
        nonlocal scan, cursor
        if scan is None:
            scan = store.scan_keys(space, TokenRange(cursor, token_range.end), fetch_rows)
        try:
            found = next(scan)
        except BaseException:
            scan = None  # a generator that raised is exhausted
            raise
        cursor = found.cursor
        return found

    # There is always a last page, and only its cursor is the end of the range.
    while cursor < token_range.end:
        found = retry_until_up(Server.STORE, fetch)
        while (
            cursor < token_range.end and len(found.rows) < page_rows - 1
        ):  # full pages lack the rows of their last token
            following = retry_until_up(Server.STORE, fetch)
            found = Scanned([*found.rows, *following.rows], following.cursor)
        yield found
