"""The neighbours of an embedding: the search, its results, and how every store ranks rows."""

import heapq
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np
import numpy.typing as npt

from embark.errors import UnavailableError
from embark.space import VectorForm
from embark.store.rows import Embedding, Row

# Stores without an index read every row, in pages of at most this many bytes and rows.
_PAGE_BYTES: Final = 1024 * 1024
_PAGE_ROWS: Final = 1000


@dataclass(frozen=True, slots=True)
class Search:
    """A search for the `k` embeddings whose directions are nearest to that of `vector`, a vector of `form`.

    It leaves out the row of the key `leave_out`; no key is empty.
    """

    vector: bytes
    form: VectorForm
    k: int
    leave_out: str = ""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A key with the cosine of the angle between its embedding and the vector of the search, in [-1, 1]."""

    key: str
    score: float


class Ranking:
    """The nearest of the rows added so far: highest cosine first, ties by the smaller key.

    Ignores negatives, rows whose vector does not have the form of the search, and vectors without a direction.
    """

    def __init__(self, search: Search) -> None:
        self._search = search
        self._direction = directions([search.vector], search.form)[0]
        self.best: list[Neighbour] = []

    @property
    def possible(self) -> bool:
        """Whether the vector of the search has a direction; without one it has no neighbours."""
        return bool(self._direction.any())

    def add(self, rows: Sequence[Row]) -> None:
        """Rank further rows."""
        form, leave_out = self._search.form, self._search.leave_out
        fit = [
            row
            for row in rows
            if isinstance(row, Embedding) and len(row.vector) == form.nbytes and row.key != leave_out
        ]
        if not fit:
            return
        found_directions = directions([row.vector for row in fit], form)
        scores = np.clip(found_directions @ self._direction, -1.0, 1.0)
        directed = np.flatnonzero(found_directions.any(axis=1))
        found = [Neighbour(fit[index].key, float(scores[index])) for index in directed.tolist()]
        # A key that was written again during the scan may come twice, and counts once.
        known = {each.key: each for each in (*self.best, *found)}
        self.best = heapq.nsmallest(self._search.k, known.values(), key=lambda each: (-each.score, each.key))


class Deadline:
    """The deadline of one search, `timeout` after it began."""

    def __init__(self, timeout: timedelta) -> None:
        self._timeout = timeout
        self._end = time.monotonic() + timeout.total_seconds()

    def left(self) -> timedelta:
        """Return the time that is left.

        Raises:
            UnavailableError: the deadline has passed.
        """
        seconds = self._end - time.monotonic()
        if seconds <= 0:
            raise UnavailableError("store", f"the search was not done within {self._timeout}")
        return timedelta(seconds=seconds)


def directions(vectors: Sequence[bytes], form: VectorForm) -> npt.NDArray[np.float64]:
    """Return the vectors scaled to unit length, [number of vectors, dimension].

    A vector of zeros, or with an element that is not finite, has no direction: its row is zeros.
    """
    rows = np.frombuffer(b"".join(vectors), form.numpy).reshape(-1, form.dimension).astype(np.float64)
    rows[~np.isfinite(rows).all(axis=1)] = 0.0
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    np.divide(rows, lengths, out=rows, where=lengths > 0)
    return rows


def search_all(
    search: Search, scan: Callable[[int], Iterable[Sequence[Row]]], deadline: Deadline
) -> Sequence[Neighbour]:
    """Return the exact neighbours; `scan` yields all rows in pages of at most the given number.

    Raises:
        UnavailableError: the deadline passed.
    """
    ranking = Ranking(search)
    if ranking.possible:
        for rows in scan(max(1, min(_PAGE_ROWS, _PAGE_BYTES // search.form.nbytes))):
            deadline.left()
            ranking.add(rows)
    return ranking.best
