"""A part of a benchmark in a separate process: it serves or works on request, and reports its CPU time."""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.connection import Connection
from typing import Any

Serve = Callable[..., AbstractContextManager[Any]]


class Child:
    """A running process; `serving` is what its context manager yielded, unless that is a function: see run()."""

    def __init__(self, pipe: Connection, serving: Any) -> None:
        self._pipe = pipe
        self.serving = serving

    def cpu_seconds(self) -> float:
        """Return the CPU time of the process so far, all threads together."""
        self._pipe.send("cpu")
        return float(self._pipe.recv())

    def run(self, *arguments: Any) -> Any:
        """Call the function that the child's context manager yielded, in the child, and return its result."""
        self._pipe.send(arguments)
        return self._pipe.recv()


@contextmanager
def child(serve: Serve, *arguments: Any, cores: frozenset[int] | None = None) -> Iterator[Child]:
    """Run `serve(*arguments)` in a fresh process until the block ends, on `cores` or else on those of this thread."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_main, args=(theirs, serve, arguments), daemon=True)
    with _on_cores(cores):
        process.start()
    theirs.close()
    try:
        yield Child(ours, ours.recv())
        ours.send("stop")
        process.join(30)
    finally:
        if process.is_alive():
            process.kill()
        process.join()
        ours.close()


@contextmanager
def _on_cores(cores: frozenset[int] | None) -> Iterator[None]:
    """Pin this thread to `cores`: a process inherits the cores of the thread that starts it."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _main(pipe: Connection, serve: Serve, arguments: tuple[Any, ...]) -> None:
    with serve(*arguments) as serving:
        pipe.send(None if callable(serving) else serving)
        while (message := pipe.recv()) != "stop":
            pipe.send(time.process_time() if message == "cpu" else serving(*message))
