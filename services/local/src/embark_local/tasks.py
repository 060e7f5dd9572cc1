"""Work on a thread that can be stopped, observed as a Job is: running, complete, or failed."""

import threading
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from embark.errors import EmbArkError
from embark.rollout.step import ObservedJob
from kfc.outages import Outages, StoppedError

T = TypeVar("T")


class LocalTask(Generic[T]):
    """Runs `work` once, on its own thread, from its creation."""

    def __init__(
        self, name: str, work: Callable[[Outages], T], new_outages: Callable[[threading.Event], Outages]
    ) -> None:
        self._stopping = threading.Event()
        self._work = work
        self._outages = new_outages(self._stopping)
        self.result: T | None = None
        self.complete = False
        self.error: EmbArkError | None = None
        self.crash: Exception | None = None
        """An exception that is not an EmbArkError: a defect of the program."""
        self._thread = threading.Thread(target=self.run, name=name)
        self._begin()

    @property
    def observed(self) -> ObservedJob:
        """The task as a Job."""
        return ObservedJob(complete=self.complete, failed=self.error is not None, reason=str(self.error or ""))

    def stop(self) -> None:
        """Stop the work where it can be stopped, and return once it has ended."""
        self._stopping.set()
        self._thread.join()

    def run(self) -> None:
        """Do the work, on the thread that calls."""
        try:
            self.result = self._work(self._outages)
            self.complete = True
        except StoppedError:
            return
        except EmbArkError as error:
            self.error = error
        except Exception as crash:  # noqa: BLE001 - the thread that carries out the rollout raises it
            self.crash = crash

    def _begin(self) -> None:
        self._thread.start()


class StartTask(Protocol):
    """Starts work; LocalTask is the real one."""

    def __call__(
        self, name: str, work: Callable[[Outages], Any], new_outages: Callable[[threading.Event], Outages]
    ) -> LocalTask[Any]:
        """Return the started task."""
        ...
