"""The worker threads of a re-embedding: one thread submits calls and takes their results one after the other."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from enum import Enum, auto
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


class Stage(Enum):
    """The stage of a call, each with threads of its own."""

    READ = auto()
    ENCODE = auto()
    WRITE = auto()
    SAVE = auto()


class WorkerResult(NamedTuple):
    """A finished call: its future, and the function that takes its result on the submitting thread."""

    part: Stage
    take: Callable[[Any], None]
    future: Future[Any]


class WorkerPool:
    """Threads that read, encode and write, and one that saves checkpoints; used by a single thread.

    `open` counts the calls whose results were not taken by next().
    """

    def __init__(self, readers: int, encoders: int, writers: int) -> None:
        threads = {Stage.READ: readers, Stage.ENCODE: encoders, Stage.WRITE: writers, Stage.SAVE: 1}
        self._executors = {
            part: ThreadPoolExecutor(count, f"kfc-reembed-{part.name.lower()}") for part, count in threads.items()
        }
        self._finished: SimpleQueue[WorkerResult] = SimpleQueue()
        self.open: Counter[Stage] = Counter()

    def submit(self, part: Stage, take: Callable[[T], None], call: Callable[..., T], *args: Any) -> None:
        """Run the call on a thread of the stage; next() returns its result with `take`."""
        self.open[part] += 1
        future = self._executors[part].submit(call, *args)
        future.add_done_callback(lambda done: self._finished.put(WorkerResult(part, take, done)))

    def next(self, seconds: float) -> WorkerResult | None:
        """Return a finished call, or None if there is none within `seconds`."""
        try:
            result = self._finished.get(timeout=seconds)
        except Empty:
            return None
        self.open[result.part] -= 1
        return result

    def shut_down(self) -> None:
        """Cancel the calls that have not begun, except for writes, and do not wait for the others."""
        for part, executor in self._executors.items():
            executor.shutdown(wait=False, cancel_futures=part is not Stage.WRITE)
