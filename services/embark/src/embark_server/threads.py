"""The threads of lookups: a few that run, and more that take over their slots while they wait."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_STALL_SECONDS: Final = 0.02


class LookupThreads(Executor):
    """Runs calls on at most `slots` threads at a time, and on `max_threads` including those that yielded their slot.

    A hot lookup takes microseconds of one interpreter: more running threads would only contend for it, at the price of
    every switch. A cold one waits milliseconds for the store, and must not delay the hot ones: see yielding_slot. The
    thread that became idle last runs next, as its stack is still cached. benchmarks/lookups.py compares the
    server with a bare echo on a ThreadPoolExecutor.

    A call takes its thread before its message has arrived, and a client may stall in the middle of it. So whenever
    calls are queued and none has started for _STALL_SECONDS, one more thread may run, until the queue is empty.
    """

    def __init__(self, slots: int, max_threads: int, name: str) -> None:
        self._slots = self._usual_slots = slots
        self._max_threads = max_threads
        self._name = name
        self._lock = threading.Lock()
        self._tasks: deque[Callable[[], None]] = deque()
        self._idle: list[threading.Lock] = []
        self._threads: list[_Worker] = []
        self._running = 0
        self._closed = False
        self._started = 0
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
                except BaseException as error:  # noqa: BLE001 - raised again by the future
                    future.set_exception(error)

        with self._lock:
            if self._closed:
                raise RuntimeError("the threads are shut down")
            self._tasks.append(task)
            self._fill_slot()
            if self._running >= self._slots:
                self._queued.set()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - Executor's
        """Stop the threads once all submitted calls are done; see Executor."""
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
        """Run submitted calls until shutdown; the main loop of each thread."""
        gate = threading.Lock()
        gate.acquire()
        while True:
            with self._lock:
                task = self._tasks.popleft() if self._tasks and self._running <= self._slots else None
                if task is not None:
                    self._started += 1
                else:
                    self._running -= 1
                    if self._closed:
                        self._fill_slot()
                        return
                    self._idle.append(gate)
            if task is None:
                gate.acquire()
            else:
                task()

    def yield_slot(self) -> None:
        """Let another thread run instead of this one, which is about to wait."""
        with self._lock:
            self._running -= 1
            self._fill_slot()

    def reclaim_slot(self) -> None:
        """Run again after yield_slot; for a moment more threads than slots may run."""
        with self._lock:
            self._running += 1

    def _watch(self) -> None:
        started = 0
        while not self._closed:
            self._queued.wait()
            self._stopping.wait(_STALL_SECONDS)
            with self._lock:
                if not self._tasks:
                    self._slots = self._usual_slots
                    if not self._closed:
                        self._queued.clear()
                elif started == self._started:
                    self._slots = min(self._slots + 1, self._max_threads)
                    self._fill_slot()
                started = self._started

    def _fill_slot(self) -> None:
        if not self._tasks or self._running >= self._slots:
            return
        if self._idle:
            self._running += 1
            self._idle.pop().release()
        elif len(self._threads) < self._max_threads:
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
def yielding_slot() -> Iterator[None]:
    """Yield the slot of the current thread while it waits; does nothing on threads outside LookupThreads."""
    thread = threading.current_thread()
    if not isinstance(thread, _Worker):
        yield
        return
    thread.threads.yield_slot()
    try:
        yield
    finally:
        thread.threads.reclaim_slot()
