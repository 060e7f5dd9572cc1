"""One run of the re-embedding: pages are read ahead, encoded on threads, written together and checkpointed in order.

The thread that runs it decides; it hands reads, encodes, writes and saves to threads, and takes their results one after
the other: while rows are written, the next are read and encoded. A page is counted once its rows are acknowledged; a
key that waits for another attempt holds back the checkpoint of its page, and no other page.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from operator import itemgetter
from typing import Final

from embark.causes import Cause
from embark.clock import Micros
from embark.retries import Retries
from embark.settings import KfcSettings
from embark.store import Checkpoints, Row
from kfc.calls import Calls, Timer
from kfc.encoder import EncodedVector
from kfc.outages import Outages, Server, StoppedError
from kfc.reembed.pages import PlannedPage
from kfc.reembed.ranges import PageWork, RangeWork, ReembedItem, Saving
from kfc.reembed.rates import RateLimit
from kfc.reembed.workers import Stage, WorkerPool
from kfc.rows import build_row
from kfc.scans import PAGE_ROWS

# Keys in Encode calls, or encoded and not yet written, at most, unless two calls a thread hold more. A process that is
# killed costs so many; one half is encoded while the other is written.
_MOST_UNWRITTEN: Final = 500
# Keys read and not yet written, beyond which no page is read ahead; and keys that wait for another attempt, likewise.
_MOST_READ: Final = 2 * PAGE_ROWS
_MOST_WAITING: Final = 10 * PAGE_ROWS
_MOST_UNSAVED: Final = 64
# Of one write: about as many as the store has under way; writes of a quarter of them cost a fifth of the rate.
_WRITTEN_AT_ONCE: Final = _MOST_UNWRITTEN // 2
# One write is begun while the end of another is waited for.
_WRITERS: Final = 2
# How often somebody who waits for nothing else asks whether to stop.
_STOP_SECONDS: Final = 0.2

_Written = Sequence[tuple[Row, PageWork, bool]]
_Outcomes = tuple[Sequence[ReembedItem], Micros, Sequence[EncodedVector | Cause]]


class ReembedPass:
    """Does what run() says, once."""

    def __init__(
        self,
        settings: KfcSettings,
        calls: Calls,
        checkpoints: Checkpoints,
        pages: Iterable[Iterator[PlannedPage]],
        *,
        retries: Retries[ReembedItem],
        limit: RateLimit,
        outages: Outages,
        timer: Timer,
        on_progress: Callable[[int, int], None] | None,
    ) -> None:
        self._settings: Final = settings
        self._calls: Final = calls
        self._checkpoints: Final = checkpoints
        self._idle: Final = deque(pages)  # those that have more, and of which none is being read
        self._retries: Final = retries
        self._limit: Final = limit
        self._outages: Final = outages
        self._timer: Final = timer
        self._on_progress: Final = on_progress
        self._handed: Final = WorkerPool(len(self._idle), settings.max_inflight, _WRITERS)
        self._stopped = False
        self._most_unwritten: Final = max(_MOST_UNWRITTEN, 2 * settings.max_inflight * settings.encode_items)
        self._items: deque[ReembedItem] = deque()  # read, and in no Encode call yet
        self._keys_open = 0  # in the Encode calls and writes under way
        self._unwritten: deque[tuple[Row, PageWork, bool]] = deque()  # True: its key has failed

    def run(self) -> None:
        """Re-embed every page; see Reembedding.run."""
        try:
            while self._under_way():
                self._outages.pause(0)
                self._take_due()
                self._hand_out()
                self._take_results()
                self._hand_out()
                self._write()
        except StoppedError:
            self._keep_what_came()
            raise
        finally:
            self._handed.shut_down()

    def _under_way(self) -> bool:
        handed = self._handed.open.total()
        return bool(handed or self._items or self._retries or self._unwritten or self._idle)

    @property
    def _not_written(self) -> int:
        return self._keys_open + len(self._unwritten)

    def _hand_out(self) -> None:
        """Have as many keys encoded, and read ahead, as there may be."""
        size = self._limit.batch_size(self._settings.encode_items)
        while self._items and self._not_written + size <= self._most_unwritten:
            part = [self._items.popleft() for _ in range(min(size, len(self._items)))]
            self._keys_open += len(part)
            self._handed.hand(Stage.ENCODE, self._take_outcomes, self._call, part)
        while self._idle and self._may_read():
            pages = self._idle.popleft()
            self._handed.hand(Stage.READ, partial(self._take_page, pages), next, pages, None)

    def _may_read(self) -> bool:
        few = len(self._items) + self._not_written < _MOST_READ and len(self._retries) < _MOST_WAITING
        return few and self._handed.open[Stage.SAVE] < _MOST_UNSAVED

    def _take_page(self, pages: Iterator[PlannedPage], planned: PlannedPage | None) -> None:
        if planned is None:
            return
        self._idle.append(pages)
        page = planned.page.within.add(planned.page)
        self._unwritten += [(row, page, False) for row in planned.copies]
        self._items += planned.items
        self._save(page.within)

    def _take_due(self) -> None:
        due = self._retries.take_due(self._timer())
        self._items += [item for item in due if not item.page.within.lost]
        self._give_up([item for item in due if item.page.within.lost])

    def _call(self, items: Sequence[ReembedItem]) -> _Outcomes:
        self._outages.pause(0)  # a call that has not begun does not begin once the run stops
        self._limit.take(len(items))
        return items, *self._calls.encode([item.key for item in items])

    def _take_outcomes(self, answered: _Outcomes) -> None:
        items, began, outcomes = answered
        self._keys_open -= len(items)
        for item, outcome in zip(items, outcomes, strict=True):
            if isinstance(outcome, EncodedVector) or outcome.permanent:
                failed = isinstance(outcome, Cause) and item.lasting
                self._unwritten.append((build_row(item.key, outcome, began, self._settings), item.page, failed))
            else:
                self._retry(item)

    def _retry(self, item: ReembedItem) -> None:
        item.attempts += 1
        if not self._retries.schedule(item, item.attempts, self._timer()):
            self._give_up([item])

    def _give_up(self, items: Sequence[ReembedItem]) -> None:
        for item in items:
            item.page.settle(done=int(not item.lasting), failed=int(item.lasting))
            self._save(item.page.within)

    def _write(self) -> None:
        while self._may_write():
            written = self._next_to_write()
            self._keys_open += len(written)
            rows = [row for row, _, _ in written]
            self._handed.hand(Stage.WRITE, partial(self._take_written, written), self._calls.write, rows)

    def _may_write(self) -> bool:
        return bool(self._unwritten) and self._handed.open[Stage.WRITE] < _WRITERS

    def _next_to_write(self) -> _Written:
        return [self._unwritten.popleft() for _ in range(min(len(self._unwritten), _WRITTEN_AT_ONCE))]

    def _take_written(self, written: _Written, _acknowledged: None) -> None:
        self._keys_open -= len(written)
        counted = Counter(map(itemgetter(1, 2), written))  # in C: it is every row
        for (page, failed), rows in counted.items():
            page.settle(done=rows * (not failed), failed=rows * failed)
        for work in {page.within for page, _ in counted}:
            self._save(work)

    def _save(self, work: RangeWork) -> None:
        saving = None if self._stopped else work.take_saving()
        if saving is not None:
            self._handed.hand(Stage.SAVE, self._take_save, self._save_now, saving)

    def _save_now(self, saving: Saving) -> tuple[Saving, bool]:
        work, space = saving.work, self._settings.space.id
        save = partial(self._checkpoints.save, space, saving.progress, first=not work.begun)
        kept = self._outages.retry_until_up(Server.STORE, save)
        if kept and self._on_progress is not None:
            self._on_progress(saving.done, saving.failed)
        return saving, kept

    def _take_save(self, saved: tuple[Saving, bool]) -> None:
        saving, kept = saved
        saving.work.saved(kept=kept)
        self._save(saving.work)

    def _take_results(self) -> None:
        """Wait for a result, unless something can be written or an item is due, and take all that are there."""
        seconds = 0.0 if self._may_write() else self._retries.seconds_until_due(self._timer(), _STOP_SECONDS)
        while (result := self._handed.next(seconds)) is not None:
            result.take(result.future.result())
            seconds = 0.0

    def _keep_what_came(self) -> None:
        """Let writes end, and Encode calls within the drain time, and write what these gave; nothing is repeated."""
        self._stopped = True
        self._handed.shut_down()
        deadline = self._timer() + self._settings.listen.drain.total_seconds()
        while self._handed.open[Stage.ENCODE]:
            result = self._handed.next(max(0.0, deadline - self._timer()))
            if result is None:
                break
            part, take, future = result
            if part is Stage.ENCODE and not future.cancelled() and future.exception() is None:
                take(future.result())
        while self._handed.open[Stage.WRITE]:
            self._handed.next(_STOP_SECONDS)
        while self._unwritten:
            self._calls.write([row for row, _, _ in self._next_to_write()])
