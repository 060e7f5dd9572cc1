"""Batcher: prepares and encodes the items of concurrent calls on one thread per core."""

import asyncio
import logging
import math
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, Generic, cast

from embark.causes import Cause, CauseError, CauseKind
from embark.space import Space
from retina.metrics import RetinaMetrics
from retina.model_encoder import Encoded, EncoderItem, Floats, Input, ModelEncoder, Outcome
from retina.vectors import to_vector

CGROUP_LIMIT: Final = Path("/sys/fs/cgroup/cpu.max")
"""The CPU limit of a pod, in cgroup v2: `<quota> <period>` in microseconds, or `max <period>`."""


def available_cores(limit: Path = CGROUP_LIMIT) -> int:
    """Return the number of cores in this process's affinity, capped at its cgroup's limit rounded up."""
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = limit.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else min(cores, math.ceil(int(quota) / int(period)))


class Batcher(Generic[Input]):
    """Prepares and encodes items on `runners` threads, from construction to close().

    A runner does all the work for the items that it takes, so an item crosses threads only once in each direction.
    While every runner is busy, items queue up. A runner whose batch is not full takes more of them, until its oldest
    item has waited for `max_delay`.
    """

    def __init__(
        self,
        encoder: ModelEncoder[Input],
        space: Space,
        *,
        runners: int,
        max_delay: timedelta,
        metrics: RetinaMetrics,
        clock: Callable[[], float],
    ) -> None:
        """Start the runners; `clock` is monotonic, in seconds."""
        self._encoder = encoder
        self._space = space
        self._max_delay = max_delay.total_seconds()
        self._metrics = metrics
        self._clock = clock
        self._log = logging.getLogger(__name__)
        self._max_batch = max(encoder.sizes)
        self._queue = ItemQueue(runners, self._max_batch)
        metrics.queue_length.set_function(lambda: len(self._queue))
        self._threads = [threading.Thread(target=self._serve, name=f"runner-{number}") for number in range(runners)]
        for thread in self._threads:
            thread.start()

    async def encode(self, items: Sequence[EncoderItem]) -> list[Outcome]:
        """Return the outcome of every item, in order. If cancelled, drop the items that no runner has taken yet."""
        if not items:
            return []
        call = PendingCall(len(items), asyncio.get_running_loop())
        since = self._clock()
        self._queue.put([QueuedItem(call, index, item, since) for index, item in enumerate(items)])
        return await call.future

    def close(self) -> None:
        """Encode what is queued, then stop the runners; block until they have stopped."""
        self._queue.close()
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        while taken := self._queue.take():
            self._encode(taken)

    def _encode(self, taken: list["QueuedItem"]) -> None:
        deadline = taken[0].since + self._max_delay
        batch = self._prepare(taken)
        while len(batch) < self._max_batch and self._clock() < deadline:
            more = self._queue.take_more(self._max_batch - len(batch))
            if not more:
                break
            batch += self._prepare(more)
        for size in reversed(self._encoder.sizes):
            while len(batch) >= size:
                self._run(batch[:size])
                batch = batch[size:]

    def _prepare(self, taken: Sequence["QueuedItem"]) -> list[tuple["QueuedItem", Input, bytes]]:
        """Return the items that could be prepared; settle the others with their cause."""
        batch = []
        for queued in taken:
            started = self._clock()
            try:
                value, content_hash = self._encoder.prepare(queued.item)
            except CauseError as error:
                queued.settle(error.cause)
            except Exception as error:  # noqa: BLE001 - logged; a bug that one item triggers must not stop the thread
                queued.settle(self._failed(error))
            else:
                batch.append((queued, value, content_hash))
                self._metrics.prepare_seconds.observe(self._clock() - started)
        return batch

    def _run(self, batch: Sequence[tuple["QueuedItem", Input, bytes]]) -> None:
        started = self._clock()
        try:
            rows: Sequence[Floats | Cause] = list(self._encoder.run([value for _, value, _ in batch]))
        except Exception as error:  # noqa: BLE001 - logged here, or by the item that raises it again
            rows = [self._failed(error)] if len(batch) == 1 else [self._run_single(value) for _, value, _ in batch]
        self._metrics.run_seconds.observe(self._clock() - started)
        self._metrics.batch_size.observe(len(batch))
        for (queued, _, content_hash), row in zip(batch, rows, strict=True):
            queued.settle(self._to_outcome(row, content_hash))

    def _run_single(self, value: Input) -> Floats | Cause:
        try:
            row: Floats = self._encoder.run([value])[0]
        except Exception as error:  # noqa: BLE001 - logged
            return self._failed(error)
        return row

    def _to_outcome(self, row: Floats | Cause, content_hash: bytes) -> Outcome:
        vector = row if isinstance(row, Cause) else to_vector(row, self._space)
        return vector if isinstance(vector, Cause) else Encoded(vector, content_hash)

    def _failed(self, error: Exception) -> Cause:
        detail = f"the encoder failed on this item: {str(error) or type(error).__name__}"
        cause = Cause(CauseKind.ENCODER_FAILED, detail)
        self._log.error(cause.detail, extra={"space": self._space.id, "cause": cause.kind.value}, exc_info=error)
        return cause


class PendingCall:
    """Collects the outcomes of one call's items, which runners settle in any order.

    Create it on the event loop that awaits `future`.
    """

    def __init__(self, count: int, loop: asyncio.AbstractEventLoop) -> None:
        self.future: asyncio.Future[list[Outcome]] = loop.create_future()
        self._loop = loop
        self._outcomes: list[Outcome | None] = [None] * count
        self._pending = count
        self._lock = threading.Lock()

    @property
    def abandoned(self) -> bool:
        """Whether the caller has stopped waiting; thread-safe."""
        return self.future.cancelled()

    def settle(self, index: int, outcome: Outcome) -> None:
        """Record the outcome of one item; thread-safe. Only the last one wakes the event loop."""
        self._outcomes[index] = outcome
        with self._lock:
            self._pending -= 1
            if self._pending:
                return
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._resolve)

    def _resolve(self) -> None:
        if not self.future.done():
            self.future.set_result(cast("list[Outcome]", self._outcomes))


@dataclass(frozen=True, slots=True)
class QueuedItem:
    """One item of a call; `since` is when it was queued, by the batcher's clock."""

    call: PendingCall
    index: int
    item: EncoderItem
    since: float

    def settle(self, outcome: Outcome) -> None:
        """Record the item's outcome; thread-safe."""
        self.call.settle(self.index, outcome)


class ItemQueue:
    """Distributes items over `runners` threads, at most `max_batch` at a time."""

    def __init__(self, runners: int, max_batch: int) -> None:
        self._runners = runners
        self._max_batch = max_batch
        self._items: deque[QueuedItem] = deque()
        self._changed = threading.Condition()
        self._idle = 0
        self._closed = False

    def __len__(self) -> int:
        """Return how many items are queued."""
        return len(self._items)

    def put(self, items: Sequence[QueuedItem]) -> None:
        """Add items without blocking.

        Raises:
            RuntimeError: the queue is closed.
        """
        with self._changed:
            if self._closed:
                raise RuntimeError("the batcher is closed")
            self._items.extend(items)
            self._changed.notify(len(items))

    def take(self) -> list[QueuedItem]:
        """Block until there are items and return one runner's share; return [] once the queue is closed and drained.

        An idle runner never waits for a batch to grow, and takes only its share, so that a request is spread over all
        cores instead of becoming one core's batch.
        """
        with self._changed:
            self._idle += 1
            try:
                while True:
                    if taken := self._take_share(self._max_batch):
                        return taken
                    if self._closed:
                        return []
                    self._changed.wait()
            finally:
                self._idle -= 1

    def take_more(self, room: int) -> list[QueuedItem]:
        """Return up to `room` items to add to a batch, without blocking; none while another runner is idle."""
        with self._changed:
            return [] if self._idle else self._take_share(room)

    def close(self) -> None:
        """Reject new items; queued ones can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _take_share(self, limit: int) -> list[QueuedItem]:
        count = min(limit, -(-len(self._items) // self._runners))
        taken: list[QueuedItem] = []
        while self._items and len(taken) < count:
            queued = self._items.popleft()
            if not queued.call.abandoned:
                taken.append(queued)
        return taken
