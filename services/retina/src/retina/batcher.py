"""Runs items of many calls together on as many threads as there are cores; `encode` submits to it."""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final, Generic

from embark.causes import Cause, CauseError, CauseKind
from embark.space import Space
from retina.groups import Entry, entries
from retina.metrics import Metrics
from retina.model_encoder import Encoded, Encoder, Floats, Input, Item, Outcome
from retina.queues import EntryQueue
from retina.vectors import to_vector

_FAILED: Final = "the encoder failed on this item: "


class Batcher(Generic[Input]):
    """Prepares and runs items on `runners` threads, from construction to close().

    A runner does everything for the items that it takes, so that an item crosses threads once each way. While every
    runner is busy, items gather; a runner that is about to run fewer than it may takes of them, until its oldest item
    has waited for `max_delay`.
    """

    def __init__(
        self,
        encoder: Encoder[Input],
        space: Space,
        *,
        runners: int,
        max_delay: timedelta,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        """Start the runners; `clock` returns seconds from any beginning."""
        self._encoder = encoder
        self._space = space
        self._max_delay = max_delay.total_seconds()
        self._metrics = metrics
        self._clock = clock
        self._log = logging.getLogger(__name__)
        self._largest = max(encoder.sizes)
        self._queue = EntryQueue(runners, self._largest)
        metrics.queue_length.set_function(lambda: len(self._queue))
        self._threads = [threading.Thread(target=self._serve, name=f"runner-{number}") for number in range(runners)]
        for thread in self._threads:
            thread.start()

    async def encode(self, items: Sequence[Item]) -> list[Outcome]:
        """Return the outcome of every item, in order; when cancelled, items that no runner has taken are dropped."""
        if not items:
            return []
        group, added = entries(items, self._clock(), asyncio.get_running_loop())
        self._queue.put(added)
        return await group.future

    def close(self) -> None:
        """Finish what waits and stop the runners; blocks until they have."""
        self._queue.close()
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        while taken := self._queue.take():
            self._encode(taken)

    def _encode(self, taken: list[Entry]) -> None:
        until = taken[0].since + self._max_delay
        batch = self._prepared(taken)
        while len(batch) < self._largest and self._clock() < until:
            more = self._queue.take_more(self._largest - len(batch))
            if not more:
                break
            batch += self._prepared(more)
        for size in reversed(self._encoder.sizes):
            while len(batch) >= size:
                self._run(batch[:size])
                batch = batch[size:]

    def _prepared(self, taken: Sequence[Entry]) -> list[tuple[Entry, Input, bytes]]:
        """Return the entries that could be prepared; the others are settled with their cause."""
        batch = []
        for entry in taken:
            started = self._clock()
            try:
                value, content_hash = self._encoder.prepare(entry.item)
            except CauseError as error:
                entry.group.settle(entry.index, error.cause)
            except Exception as error:  # noqa: BLE001 - logged; one item's fault must reach neither others nor the thread
                entry.group.settle(entry.index, self._failed(error))
            else:
                batch.append((entry, value, content_hash))
                self._metrics.prepare_seconds.observe(self._clock() - started)
        return batch

    def _run(self, batch: Sequence[tuple[Entry, Input, bytes]]) -> None:
        started = self._clock()
        try:
            rows: Sequence[Floats | Cause] = list(self._encoder.run([value for _, value, _ in batch]))
        except Exception as error:  # noqa: BLE001 - logged, or raised again by the item that is at fault
            rows = [self._failed(error)] if len(batch) == 1 else [self._run_alone(value) for _, value, _ in batch]
        self._metrics.run_seconds.observe(self._clock() - started)
        self._metrics.batch_size.observe(len(batch))
        for (entry, _, content_hash), row in zip(batch, rows, strict=True):
            entry.group.settle(entry.index, self._outcome(row, content_hash))

    def _run_alone(self, value: Input) -> Floats | Cause:
        try:
            row: Floats = self._encoder.run([value])[0]
        except Exception as error:  # noqa: BLE001 - logged
            return self._failed(error)
        return row

    def _outcome(self, row: Floats | Cause, content_hash: bytes) -> Outcome:
        vector = row if isinstance(row, Cause) else to_vector(row, self._space)
        return vector if isinstance(vector, Cause) else Encoded(vector, content_hash)

    def _failed(self, error: Exception) -> Cause:
        cause = Cause(CauseKind.ENCODER_FAILED, _FAILED + (str(error) or type(error).__name__))
        self._log.error(cause.detail, extra={"space": self._space.id, "cause": cause.kind.value}, exc_info=error)
        return cause
