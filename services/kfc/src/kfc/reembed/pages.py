"""The pages of a source to re-embed, each with a plan: what to encode, to copy and to leave."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from embark.causes import CauseKind
from embark.store import KeyRow, Negative, RangeProgress, RolloutStore, TokenRange
from embark.store.progress import find_progress
from kfc.outages import Server
from kfc.reembed.ranges import PageWork, RangeWork, ReembedItem
from kfc.scans import PAGE_ROWS, RetryUntilUp, scan_patiently


@dataclass(frozen=True, slots=True)
class PagePlan:
    """The keys of a page, each in one of the parts or counted."""

    encode: Sequence[str]
    """Keys with an embedding in the source: they fail where the candidate's encoder has none for them."""
    retry: Sequence[str]
    """Keys that the source's encoder had no embedding for; another may have, and none of them counts as failed."""
    copies: Sequence[Negative]
    done: int
    """Keys that need nothing."""
    failed: int
    """Keys that were lost before: a negative of the candidate, an embedding in the source."""

    @property
    def keys(self) -> int:
        """The number of keys that are not counted yet."""
        return len(self.encode) + len(self.retry) + len(self.copies)


def plan_page(rows: Sequence[KeyRow], held: Mapping[str, KeyRow], *, retry_failed: bool) -> PagePlan:
    """Return what to do with the rows of the source, where the candidate has `held`.

    A negative is copied, unless its cause lies with the encoder: 404 is 404 whatever the model. `retry_failed` encodes
    the keys that were lost before once more.
    """
    encode, retry, copies = [], [], []
    done = failed = 0
    for row in rows:
        there = held.get(row.key)
        lost = isinstance(there, Negative) and not isinstance(row, Negative)
        if lost and not retry_failed:
            failed += 1
        elif there is not None and not lost:
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
    """Yields the pages of ranges after their checkpoints; waits out outages as `retry_until_up` does."""

    def __init__(
        self,
        store: RolloutStore,
        source: str,
        candidate: str,
        *,
        retry_until_up: RetryUntilUp,
        retry_failed: bool,
        piece: Callable[[], int],
    ) -> None:
        """Take `piece`, the number of rows to request at a time, read once per range; `retry_failed`: see plan_page."""
        self._store: Final = store
        self._source: Final = source
        self._candidate: Final = candidate
        self._insist: Final = retry_until_up
        self._retry_failed: Final = retry_failed
        self._piece: Final = piece
        self._checkpoints: Final = store.checkpoints()

    def of(self, ranges: Sequence[TokenRange]) -> Iterator[PlannedPage]:
        """Yield the planned pages of the ranges that are not over.

        A range is begun in the store with its first checkpoint, so that nothing waits for it.

        Raises:
            ValueError: there is a checkpoint of another split of the ring.
        """
        stored = self._insist(Server.STORE, lambda: self._checkpoints.load(self._candidate))
        for within in ranges:
            progress = find_progress(stored, self._candidate, within)
            work = RangeWork(progress or RangeProgress(within, within.start), begun=progress is not None)
            if not work.progress.finished:
                yield from self._of_range(work)

    def _of_range(self, work: RangeWork) -> Iterator[PlannedPage]:
        rest, piece = work.progress.remaining, self._piece()
        for page in scan_patiently(self._store, self._source, rest, self._insist, PAGE_ROWS, piece=piece):
            # One more: rows that share a token with many others may come in pages whose cursors are before it.
            held = self._held(TokenRange(rest.start, min(page.cursor + 1, rest.end)), piece) if page.rows else {}
            rest = TokenRange(page.cursor, rest.end)
            plan = plan_page(page.rows, held, retry_failed=self._retry_failed)
            begun = PageWork(work, page.cursor, plan.keys, plan.done, plan.failed)
            items = [ReembedItem(key, begun, lasting=True) for key in plan.encode]
            items += [ReembedItem(key, begun, lasting=False) for key in plan.retry]
            yield PlannedPage(begun, items, plan.copies)
            if work.lost:
                return

    def _held(self, within: TokenRange, piece: int) -> dict[str, KeyRow]:
        def scan() -> dict[str, KeyRow]:
            pages = self._store.scan_keys(self._candidate, within, piece)
            return {row.key: row for page in pages for row in page.rows}

        return self._insist(Server.STORE, scan)
