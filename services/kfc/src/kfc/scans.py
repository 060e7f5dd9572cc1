"""Scans of a space by token range that outlive outages of the store; the re-embedding and its check read by them."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final, Protocol, TypeVar

from embark.store import KeyPage, KeyReader, Scanned, TokenRange
from kfc.outages import Server

T = TypeVar("T")

# Rows of one page: many enough that a checkpoint a page costs little, and few enough to hold several of them.
PAGE_ROWS: Final = 1000
# Nobody waits for the rows of a page as a look-up waits.
READ_TIMEOUT: Final = timedelta(seconds=10)


class RetryUntilUp(Protocol):
    """Makes a call of a server, again where that is what the caller wants; Outages.retry_until_up does."""

    def __call__(self, server: Server, call: Callable[[], T], /) -> T:
        """Return what `call` returns."""
        ...


def call_without_retry(_: Server, call: Callable[[], T], /) -> T:
    """Return what `call` returns, raising what it raises."""
    return call()


def scan_patiently(
    store: KeyReader,
    space: str,
    within: TokenRange,
    retry_until_up: RetryUntilUp,
    page: int,
    *,
    piece: int | None = None,
) -> Iterator[KeyPage]:
    """Yield the pages of a range as `scan_keys` does; a scan that fails goes on after its last cursor.

    The store is asked for `piece` rows at a time, None: `page`. A page that is not full is joined with the next one: a
    range shorter than a page would else come as two, its last token apart, and every page costs calls of the store. So
    a page has fewer than twice `page` rows.
    """
    piece = min(piece or page, page)
    scan: Iterator[KeyPage] | None = None
    cursor = within.start

    def fetch() -> KeyPage:
        nonlocal scan, cursor
        if scan is None:
            scan = store.scan_keys(space, TokenRange(cursor, within.end), piece)
        try:
            found = next(scan)
        except BaseException:
            scan = None  # a generator that raised is over
            raise
        cursor = found.cursor
        return found

    # The last page alone has the end of the range as its cursor, and there always is one.
    while cursor < within.end:
        found = retry_until_up(Server.STORE, fetch)
        while cursor < within.end and len(found.rows) < page - 1:  # full pages lack the rows of their last token
            following = retry_until_up(Server.STORE, fetch)
            found = Scanned([*found.rows, *following.rows], following.cursor)
        yield found
