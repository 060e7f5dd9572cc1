"""The threads of look-ups: few that run, others that take their places while they wait for the store or for fills."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

STALLED: Final = 0.02


class LookupThreads(Executor):
    """Runs calls on at most `running` threads, not counting those that step aside, and on `total` with them.

    A hot look-up takes microseconds of one interpreter: more running threads only take turns with each other, and
    pay for every turn. A cold one waits milliseconds for the store, and a few of them must not
    hold up the hot ones: see stepping_aside. The thread that became idle last runs next, as its stack is still cached.

    A call takes its thread before its message has arrived, and a client may stall in the middle of it. So whenever
    calls are queued and none was begun for STALLED seconds, one more thread may run, until the queue is empty.
    """

    def __init__(self, running: int, total: int, name: str) -> None:
        self._most = self._usual = running
        self._total = total
        self._name = name
        self._lock = threading.Lock()
        self._tasks: deque[Callable[[], None]] = deque()
        self._idle: list[threading.Lock] = []
        self._threads: list[_Worker] = []
        self._running = 0
        self._closed = False
        self._begun = 0
        self._queued = threading.Event()
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name=f"{name}-watch", daemon=True)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a call on one of the threads; see Executor."""
        future: Future[T] = Future()

        def task() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(fn(*args, **kwargs))
                except BaseException as error:  # noqa: BLE001 - whoever holds the future gets it
                    future.set_exception(error)

        with self._lock:
            if self._closed:
                raise RuntimeError("the threads are shut down")
            self._tasks.append(task)
            self._fill_a_place()
            if self._running >= self._most:
                self._queued.set()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - Executor's
        """End the threads once they have done what was submitted; see Executor."""
        with self._lock:
            self._closed = True
            if cancel_futures:
                self._tasks.clear()
            idle, self._idle = self._idle, []
            self._running += len(idle)
            threads = [*self._threads, self._watcher] if self._threads else []
        for gate in idle:
            gate.release()
        self._stopping.set()
        self._queued.set()
        if wait:
            for thread in threads:
                thread.join()

    def work(self) -> None:
        """Do what is submitted until shutdown; called by the threads themselves."""
        gate = threading.Lock()
        gate.acquire()
        while True:
            with self._lock:
                task = self._tasks.popleft() if self._tasks and self._running <= self._most else None
                if task is not None:
                    self._begun += 1
                else:
                    self._running -= 1
                    if self._closed:
                        self._fill_a_place()
                        return
                    self._idle.append(gate)
            if task is None:
                gate.acquire()
            else:
                task()

    def step_aside(self) -> None:
        """Let another thread run instead of this one, which is about to wait."""
        with self._lock:
            self._running -= 1
            self._fill_a_place()

    def step_back(self) -> None:
        """Go on after step_aside; for a moment more threads may run than usual."""
        with self._lock:
            self._running += 1

    def _watch(self) -> None:
        begun = 0
        while not self._closed:
            self._queued.wait()
            self._stopping.wait(STALLED)
            with self._lock:
                if not self._tasks:
                    self._most = self._usual
                    if not self._closed:
                        self._queued.clear()
                elif begun == self._begun:
                    self._most = min(self._most + 1, self._total)
                    self._fill_a_place()
                begun = self._begun

    def _fill_a_place(self) -> None:
        if not self._tasks or self._running >= self._most:
            return
        if self._idle:
            self._running += 1
            self._idle.pop().release()
        elif len(self._threads) < self._total:
            if not self._threads:
                self._watcher.start()
            self._running += 1
            thread = _Worker(self, f"{self._name}-{len(self._threads)}")
            self._threads.append(thread)
            thread.start()


class _Worker(threading.Thread):
    def __init__(self, threads: LookupThreads, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.threads = threads

    def run(self) -> None:
        self.threads.work()


@contextmanager
def stepping_aside() -> Iterator[None]:
    """Give up the place of the current thread while it waits; on threads that are not LookupThreads, do nothing."""
    thread = threading.current_thread()
    if not isinstance(thread, _Worker):
        yield
        return
    thread.threads.step_aside()
    try:
        yield
    finally:
        thread.threads.step_back()
