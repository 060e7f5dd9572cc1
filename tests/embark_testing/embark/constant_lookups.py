"""A client that looks up keys constantly while a test changes what is served, and records wrong answers."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import cycle

from embark.client import EmbArkClient, KeyStatus
from embark.errors import EmbArkError
from embark_testing.eventually import eventually


class ConstantLookups:
    """Looks up `keys` repeatedly on one connection; `dimensions` has the spaces that may answer, by id."""

    def __init__(self, target: str, keys: Sequence[str], dimensions: Mapping[str, int]) -> None:
        self._target = target
        self._keys = keys
        self._dimensions = dimensions
        self._stopped = threading.Event()
        self.answers = 0
        self.spaces: list[str] = []
        """The spaces that answered, in order, without consecutive repetitions."""
        self.problems: list[str] = []

    @contextmanager
    def running(self) -> Iterator["ConstantLookups"]:
        """Look up during the block, at least once before it and once after it."""
        thread = threading.Thread(target=self._run, name="lookups")
        thread.start()
        try:
            eventually(lambda: self.answers or self.problems, what="a first answer")
            yield self
            seen = self.answers
            eventually(lambda: self.answers > seen + 1 or self.problems, what="a last answer")
        finally:
            self._stopped.set()
            thread.join()

    def _run(self) -> None:
        with EmbArkClient(self._target, timeout=10.0) as client:
            while not self._stopped.is_set():
                try:
                    self._look_up(client)
                except EmbArkError as error:
                    self.problems.append(str(error))
                self._stopped.wait(0.002)

    def _look_up(self, client: EmbArkClient) -> None:
        found = client.lookup(self._keys)
        self.answers += 1
        if not self.spaces or self.spaces[-1] != found.space:
            self.spaces.append(found.space)
        if found.vectors.shape != (len(self._keys), self._dimensions.get(found.space)):
            self.problems.append(f"vectors of shape {found.vectors.shape} from space {found.space}")
        if set(found.statuses) != {KeyStatus.HIT}:
            self.problems.append(f"statuses {set(found.statuses)} from space {found.space}")
        # The first element of a vector is the number of tokens of its text, the start token included.
        if (found.vectors[:, 0] != [len(key.split()) + 1 for key in self._keys]).any():
            self.problems.append(f"a vector that is not of space {found.space}")


@contextmanager
def collect_statuses(target: str, keys: Sequence[str]) -> Iterator[set[KeyStatus]]:
    """Look up keys, one after another, during the block; yield the statuses so far."""
    statuses: set[KeyStatus] = set()
    ended = threading.Event()

    def look_up() -> None:
        with EmbArkClient(target) as client:
            for key in cycle(keys):
                statuses.update(client.lookup([key]).statuses)
                if ended.wait(0.005):
                    return

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look_up)
        try:
            yield statuses
        finally:
            ended.set()
            looking.result()
