"""A client that looks up all the time while a test changes what is served, and notes what is wrong with an answer."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import cycle

from embark.client import EmbArkClient, KeyStatus
from embark.errors import EmbArkError
from embark_testing.eventually import eventually


class ConstantLookups:
    """Looks `keys` up again and again on one connection; `dimensions` of the spaces that may answer, by their ids."""

    def __init__(self, target: str, keys: Sequence[str], dimensions: Mapping[str, int]) -> None:
        self._target = target
        self._keys = keys
        self._dimensions = dimensions
        self._ended = threading.Event()
        self.answers = 0
        self.spaces: list[str] = []
        """The spaces that answered, in their order, each once in a row."""
        self.faults: list[str] = []

    @contextmanager
    def going_on(self) -> Iterator["ConstantLookups"]:
        """Look up from now until the block ends; at least once before it begins, and once after it."""
        thread = threading.Thread(target=self._run, name="lookups")
        thread.start()
        try:
            eventually(lambda: self.answers or self.faults, what="a first answer")
            yield self
            seen = self.answers
            eventually(lambda: self.answers > seen + 1 or self.faults, what="a last answer")
        finally:
            self._ended.set()
            thread.join()

    def _run(self) -> None:
        with EmbArkClient(self._target, timeout=10.0) as client:
            while not self._ended.is_set():
                try:
                    self._look_up(client)
                except EmbArkError as error:
                    self.faults.append(str(error))
                self._ended.wait(0.002)

    def _look_up(self, client: EmbArkClient) -> None:
        found = client.lookup(self._keys)
        self.answers += 1
        if not self.spaces or self.spaces[-1] != found.space:
            self.spaces.append(found.space)
        if found.vectors.shape != (len(self._keys), self._dimensions.get(found.space)):
            self.faults.append(f"vectors of shape {found.vectors.shape} from space {found.space}")
        if set(found.statuses) != {KeyStatus.HIT}:
            self.faults.append(f"statuses {set(found.statuses)} from space {found.space}")
        # Every vector counts its text's tokens in its first element, the texts' own and the one that begins them.
        if (found.vectors[:, 0] != [len(key.split()) + 1 for key in self._keys]).any():
            self.faults.append(f"a vector that is none of space {found.space}")


@contextmanager
def statuses_meanwhile(target: str, keys: Sequence[str]) -> Iterator[set[KeyStatus]]:
    """Look keys up, one after the other, until the block ends; yields what they are so far."""
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
