"""One pass of the re-embedding: pages are read ahead, encoded on threads, written together and checkpointed in order.

One thread decides: it submits reads, encodes, writes and saves to worker threads, and takes their results one after the
other. While rows are written, the next are read and encoded. A page is counted once its rows are acknowledged. A key
that waits for another attempt delays the checkpoint of its page and of the pages after it, and no read or encode.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from operator import itemgetter
from typing import Final

from embark.causes import Cause
from embark.clock import Micros
from embark.retries import Retries
from embark.settings import KfcSettings
from embark.store import Checkpoints, Row
from kfc.backoff import key_backoff
from kfc.calls import FillCalls
from kfc.encoder import EncodedVector
from kfc.outages import Server, StoppedError
from kfc.reembed.options import ReembedOptions
from kfc.reembed.pages import PlannedPage
from kfc.reembed.ranges import PageWork, PendingCheckpoint, RangeWork, ReembedItem
from kfc.reembed.rates import RateLimit
from kfc.reembed.workers import Stage, WorkerPool
from kfc.rows import build_row
from kfc.runtime import KfcRuntime

# One write begins while another one ends.
_WRITERS: Final = 2
# Longest time until an idle pass notices that it is stopped.
_STOP_SECONDS: Final = 0.2


_Written = Sequence[tuple[Row, PageWork, bool]]
_Outcomes = tuple[Sequence[ReembedItem], Micros, Sequence[EncodedVector | Cause]]


class ReembedPass:
    """The state of a single Reembedding.run()."""

    def __init__(
        self,
        settings: KfcSettings,
        calls: FillCalls,
        checkpoints: Checkpoints,
        pages: Iterable[Iterator[PlannedPage]],
        *,
        limit: RateLimit,
        runtime: KfcRuntime,
        options: ReembedOptions,
    ) -> None:
        self._settings = settings
        self._calls = calls
        self._checkpoints = checkpoints
        self._idle = deque(pages)  # have more pages, and none is being read
        self._retries = Retries[ReembedItem](settings.retry.max_attempts, key_backoff(settings.retry, runtime.jitter))
        self._limit = limit
        self._outages = runtime.outages
        self._timer = runtime.timer
        self._on_progress = options.on_progress
        self._workers = WorkerPool(len(self._idle), settings.max_inflight, _WRITERS)
        self._limits = options.limits
        self._stopped = False
        self._max_unwritten = max(options.limits.max_unwritten, 2 * settings.max_inflight * settings.encode_items)
        self._items: deque[ReembedItem] = deque()  # read, and not yet in an Encode call
        self._keys_open = 0  # in Encode calls and writes in progress
        self._unwritten: deque[tuple[Row, PageWork, bool]] = deque()  # True: the key has failed

    def run(self) -> None:
        """Re-embed every page; see Reembedding.run."""
        try:
            while self._is_unfinished():
                self._outages.pause(0)
                self._take_due()
                self._submit()
                self._take_results()
                self._submit()
                self._write()
        except StoppedError:
            self._write_results()
            raise
        finally:
            self._workers.shut_down()

    def _is_unfinished(self) -> bool:
        open_calls = self._workers.open.total()
        return bool(open_calls or self._items or self._retries or self._unwritten or self._idle)

    @property
    def _not_written(self) -> int:
        return self._keys_open + len(self._unwritten)

    def _submit(self) -> None:
        """Submit as many encodes and reads as the limits allow."""
        size = self._limit.batch_size(self._settings.encode_items)
        while self._items and self._not_written + size <= self._max_unwritten:
            batch = [self._items.popleft() for _ in range(min(size, len(self._items)))]
            self._keys_open += len(batch)
            self._workers.submit(Stage.ENCODE, self._take_outcomes, self._call, batch)
        while self._idle and self._may_read():
            pages = self._idle.popleft()
            self._workers.submit(Stage.READ, partial(self._take_page, pages), next, pages, None)

    def _may_read(self) -> bool:
        has_room = (
            len(self._items) + self._not_written < self._limits.max_read
            and len(self._retries) < self._limits.max_waiting
        )
        return has_room and self._workers.open[Stage.SAVE] < self._limits.max_unsaved

    def _take_page(self, pages: Iterator[PlannedPage], planned: PlannedPage | None) -> None:
        if planned is None:
            return
        self._idle.append(pages)
        page = planned.page.range.add(planned.page)
        self._unwritten += [(row, page, False) for row in planned.copies]
        self._items += planned.items
        self._save(page.range)

    def _take_due(self) -> None:
        due = self._retries.take_due(self._timer())
        self._items += [item for item in due if not item.page.range.lost]
        self._give_up([item for item in due if item.page.range.lost])

    def _call(self, items: Sequence[ReembedItem]) -> _Outcomes:
        self._outages.pause(0)  # no call begins once the pass is stopped
        self._limit.take(len(items))
        return items, *self._calls.encode([item.key for item in items])

    def _take_outcomes(self, result: _Outcomes) -> None:
        items, began, outcomes = result
        self._keys_open -= len(items)
        for item, outcome in zip(items, outcomes, strict=True):
            if isinstance(outcome, EncodedVector) or outcome.permanent:
                failed = isinstance(outcome, Cause) and item.required
                self._unwritten.append((build_row(item.key, outcome, began, self._settings), item.page, failed))
            else:
                self._retry(item)

    def _retry(self, item: ReembedItem) -> None:
        item.attempts += 1
        if not self._retries.schedule(item, item.attempts, self._timer()):
            self._give_up([item])

    def _give_up(self, items: Sequence[ReembedItem]) -> None:
        for item in items:
            item.page.settle(done=int(not item.required), failed=int(item.required))
            self._save(item.page.range)

    def _write(self) -> None:
        while self._may_write():
            written = self._next_to_write()
            self._keys_open += len(written)
            rows = [row for row, _, _ in written]
            self._workers.submit(Stage.WRITE, partial(self._take_written, written), self._calls.write, rows)

    def _may_write(self) -> bool:
        return bool(self._unwritten) and self._workers.open[Stage.WRITE] < _WRITERS

    def _next_to_write(self) -> _Written:
        return [self._unwritten.popleft() for _ in range(min(len(self._unwritten), self._limits.write_rows))]

    def _take_written(self, written: _Written, _acknowledged: None) -> None:
        self._keys_open -= len(written)
        counted = Counter(map(itemgetter(1, 2), written))  # in C, since it runs for every row
        for (page, failed), rows in counted.items():
            page.settle(done=rows * (not failed), failed=rows * failed)
        for work in {page.range for page, _ in counted}:
            self._save(work)

    def _save(self, work: RangeWork) -> None:
        checkpoint = None if self._stopped else work.take_checkpoint()
        if checkpoint is not None:
            self._workers.submit(Stage.SAVE, self._take_saved, self._save_now, checkpoint)

    def _save_now(self, checkpoint: PendingCheckpoint) -> tuple[PendingCheckpoint, bool]:
        space, first = self._settings.space.id, not checkpoint.range.begun
        save = partial(self._checkpoints.save, space, checkpoint.progress, first=first)
        saved = self._outages.retry_until_up(Server.STORE, save)
        if saved and self._on_progress is not None:
            self._on_progress(checkpoint.done, checkpoint.failed)
        return checkpoint, saved

    def _take_saved(self, result: tuple[PendingCheckpoint, bool]) -> None:
        checkpoint, saved = result
        checkpoint.range.complete_checkpoint(saved=saved)
        self._save(checkpoint.range)

    def _take_results(self) -> None:
        """Take all results; wait for one unless something can be written or an item is due."""
        seconds = 0.0 if self._may_write() else self._retries.seconds_until_due(self._timer(), _STOP_SECONDS)
        while (result := self._workers.next(seconds)) is not None:
            result.take(result.future.result())
            seconds = 0.0

    def _write_results(self) -> None:
        """Finish writes, and Encode calls within the drain time, and write their results; nothing is retried."""
        self._stopped = True
        self._workers.shut_down()
        deadline = self._timer() + self._settings.listen.drain.total_seconds()
        while self._workers.open[Stage.ENCODE]:
            result = self._workers.next(max(0.0, deadline - self._timer()))
            if result is None:
                break
            stage, take, future = result
            if stage is Stage.ENCODE and not future.cancelled() and future.exception() is None:
                take(future.result())
        while self._workers.open[Stage.WRITE]:
            self._workers.next(_STOP_SECONDS)
        while self._unwritten:
            self._calls.write([row for row, _, _ in self._next_to_write()])
