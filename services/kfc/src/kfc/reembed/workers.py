"""Calls handed to threads by the one thread of a re-embedding's run, which takes their results one after the other."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from enum import Enum, auto
from queue import Empty, SimpleQueue
from typing import Any, Final, NamedTuple, TypeVar

T = TypeVar("T")


class Stage(Enum):
    """Which threads do a call."""

    READ = auto()
    ENCODE = auto()
    WRITE = auto()
    SAVE = auto()


class WorkerResult(NamedTuple):
    """A call that is over: what takes its result on the thread of the run, and the result or what was raised."""

    part: Stage
    take: Callable[[Any], None]
    future: Future[Any]


class WorkerPool:
    """Hands calls to some threads that read, `encoders` that encode, some that write and one that saves.

    Used by a single thread.

    `open` counts the calls whose results were not taken by next().
    """

    def __init__(self, readers: int, encoders: int, writers: int) -> None:
        threads = {Stage.READ: readers, Stage.ENCODE: encoders, Stage.WRITE: writers, Stage.SAVE: 1}
        self._executors: Final = {
            part: ThreadPoolExecutor(count, f"kfc-reembed-{part.name.lower()}") for part, count in threads.items()
        }
        self._finished: Final[SimpleQueue[WorkerResult]] = SimpleQueue()
        self.open: Final[Counter[Stage]] = Counter()

    def hand(self, part: Stage, take: Callable[[T], None], call: Callable[..., T], *args: Any) -> None:
        """Let a thread make the call; next() gives what came of it, with `take`."""
        self.open[part] += 1
        future = self._executors[part].submit(call, *args)
        future.add_done_callback(lambda done: self._finished.put(WorkerResult(part, take, done)))

    def next(self, seconds: float) -> WorkerResult | None:
        """Return a call that is over, waiting for one up to so many seconds."""
        try:
            result = self._finished.get(timeout=seconds)
        except Empty:
            return None
        self.open[result.part] -= 1
        return result

    def shut_down(self) -> None:
        """Let calls under way end by themselves, and begin no other; writes that were handed are all made."""
        for part, executor in self._executors.items():
            executor.shutdown(wait=False, cancel_futures=part is not Stage.WRITE)
