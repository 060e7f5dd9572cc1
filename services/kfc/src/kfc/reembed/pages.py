"""The pages of a source to re-embed, each with a plan: what to encode, to copy and to leave."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from embark.causes import CauseKind
from embark.store import KeyRow, Negative, RangeProgress, RolloutStore, TokenRange
from embark.store.progress import find_progress
from kfc.outages import Server
from kfc.reembed.ranges import PageWork, RangeWork, ReembedItem
from kfc.scans import RetryUntilUp, scan_pages


@dataclass(frozen=True, slots=True)
class PagePlan:
    """The keys of a page, each in one of the parts or counted."""

    encode: Sequence[str]
    """Keys with an embedding in the source: they fail if the candidate's encoder cannot encode them."""
    retry: Sequence[str]
    """Keys that the source's encoder could not encode; another one may, and none of them counts as failed."""
    copies: Sequence[Negative]
    done: int
    """Number of keys that need nothing."""
    failed: int
    """Number of keys that have failed before: a negative in the candidate, an embedding in the source."""

    @property
    def keys(self) -> int:
        """The number of keys that are neither done nor failed."""
        return len(self.encode) + len(self.retry) + len(self.copies)


def plan_page(rows: Sequence[KeyRow], held: Mapping[str, KeyRow], *, retry_failed: bool) -> PagePlan:
    """Return what to do with the rows of the source, given the rows that the candidate holds.

    A negative is copied unless its cause is the encoder: 404 is 404 for every model. `retry_failed` encodes the keys
    again that have failed before.
    """
    encode, retry, copies = [], [], []
    done = failed = 0
    for row in rows:
        candidate = held.get(row.key)
        has_failed = isinstance(candidate, Negative) and not isinstance(row, Negative)
        if has_failed and not retry_failed:
            failed += 1
        elif candidate is not None and not has_failed:
            done += 1
        elif not isinstance(row, Negative):
            encode.append(row.key)
        elif row.cause.kind is CauseKind.UNDECODABLE:
            retry.append(row.key)
        else:
            copies.append(row)
    return PagePlan(encode, retry, copies, done, failed)


@dataclass(frozen=True, slots=True)
class PlannedPage:
    """A page of the source without its vectors: the keys to encode, and the negatives to copy."""

    page: PageWork
    items: Sequence[ReembedItem]
    copies: Sequence[Negative]


class SourcePages:
    """Reads and plans the pages of ranges after their checkpoints; `retry_until_up` waits out outages."""

    def __init__(
        self,
        store: RolloutStore,
        source: str,
        candidate: str,
        *,
        retry_until_up: RetryUntilUp,
        retry_failed: bool,
        page_rows: int,
        fetch_rows: Callable[[], int],
    ) -> None:
        """Take `fetch_rows`, the rows to request at a time, called once a range; `retry_failed`: see plan_page."""
        self._store = store
        self._source = source
        self._candidate = candidate
        self._insist = retry_until_up
        self._retry_failed = retry_failed
        self._page_rows = page_rows
        self._fetch_rows = fetch_rows
        self._checkpoints = store.checkpoints()

    def read(self, ranges: Sequence[TokenRange]) -> Iterator[PlannedPage]:
        """Yield the planned pages of the unfinished ranges.

        The store gets to know a range by its first checkpoint, so nothing is written before.

        Raises:
            ValueError: there is a checkpoint of another split of the ring.
        """
        stored = self._insist(Server.STORE, lambda: self._checkpoints.load(self._candidate))
        for token_range in ranges:
            progress = find_progress(stored, self._candidate, token_range)
            work = RangeWork(progress or RangeProgress(token_range, token_range.start), begun=progress is not None)
            if not work.progress.finished:
                yield from self._read_range(work)

    def _read_range(self, work: RangeWork) -> Iterator[PlannedPage]:
        rest, fetch_rows = work.progress.remaining, self._fetch_rows()
        for page in scan_pages(self._store, self._source, rest, self._insist, self._page_rows, fetch_rows=fetch_rows):
            # One token more: rows that share a token may be spread over pages whose cursors are before it.
            held = self._held(TokenRange(rest.start, min(page.cursor + 1, rest.end)), fetch_rows) if page.rows else {}
            rest = TokenRange(page.cursor, rest.end)
            plan = plan_page(page.rows, held, retry_failed=self._retry_failed)
            begun = PageWork(work, page.cursor, plan.keys, plan.done, plan.failed)
            items = [ReembedItem(key, begun, required=True) for key in plan.encode]
            items += [ReembedItem(key, begun, required=False) for key in plan.retry]
            yield PlannedPage(begun, items, plan.copies)
            if work.lost:
                return

    def _held(self, token_range: TokenRange, fetch_rows: int) -> dict[str, KeyRow]:
        def scan() -> dict[str, KeyRow]:
            pages = self._store.scan_keys(self._candidate, token_range, fetch_rows)
            return {row.key: row for page in pages for row in page.rows}

        return self._insist(Server.STORE, scan)
