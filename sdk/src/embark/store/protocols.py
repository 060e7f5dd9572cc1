"""What EmbArk, KFC and exports ask of a store; adapters stand beside this file, one contract suite tests them."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Protocol

from embark.clock import Micros
from embark.store.neighbours import Neighbour, Search
from embark.store.progress import RangeProgress
from embark.store.ranges import KeyPage, Page, TokenRange
from embark.store.rows import Row, Served


class EmbeddingReader(Protocol):
    """Reads rows; every method raises UnavailableError when the store does not answer in time."""

    def read(self, space: str, keys: Sequence[str], timeout: timedelta) -> dict[str, Row]:
        """Return the rows of those keys that have one and whose time is not over, within `timeout`."""
        ...

    def lookup(self, space: str, keys: Sequence[str], timeout: timedelta) -> dict[str, Served]:
        """Return what look-ups need of the rows that `read` would return; it costs less."""
        ...

    def scan(self, space: str, page: int = 1000) -> Iterator[Sequence[Row]]:
        """Yield every row of the space that was there at the start, in pages of at most `page` rows, in no order."""
        ...

    def count(self, space: str) -> int:
        """Return the number of embeddings (negatives not counted); an estimate where counting is not cheap."""
        ...


class NeighbourReader(Protocol):
    """Finds the embeddings of a space that are nearest to a vector."""

    def similar(self, space: str, search: Search, timeout: timedelta) -> Sequence[Neighbour]:
        """Return at most `search.k` neighbours, nearest first, from the rows that `read` would return now.

        Exact in the embedded stores. Cassandra walks an index, which may miss a neighbour of a large space and seldom
        does of a small one. Raises UnavailableError when the store does not answer within `timeout`, or has no index.
        """
        ...


class EmbeddingWriter(Protocol):
    """Writes rows; a method that returns has been acknowledged, UnavailableError means that it may not have been."""

    def write(self, space: str, rows: Sequence[Row]) -> None:
        """Write rows.

        Of two writes or deletes of a key the one with the later `written_at` wins, in whatever order they arrive; an
        equal write wins over what is there, but not over a delete.
        """
        ...

    def delete(self, space: str, keys: Sequence[str], at: Micros) -> None:
        """Delete what was written up to and including `at`; a write of an earlier time that arrives later is lost."""
        ...


class RangeReader(Protocol):
    """Reads a space in parts that several processes share and resume; split_ring gives the parts."""

    def scan_range(self, space: str, token_range: TokenRange, page: int = 1000) -> Iterator[Page]:
        """Yield the rows of a range in the order of their tokens, in pages of at most `page` (twice that at worst).

        No row that is there from the start of the scan to its end is skipped; of other rows some are seen. The cursor
        of the last page is `token_range.end`, and a page may be empty. A scan that ended early, for whatever reason, is
        resumed by a scan of what lies after the last cursor; it repeats rows only where more of them than `page` share
        a token. Raises UnavailableError when the store does not answer.
        """
        ...


class KeyReader(Protocol):
    """Reads in the same parts which keys a space has."""

    def scan_keys(self, space: str, token_range: TokenRange, page: int = 1000) -> Iterator[KeyPage]:
        """Yield what `scan_range` would, negatives whole, and of embeddings that they are there; it costs less."""
        ...


class Checkpoints(Protocol):
    """Keeps how far the ranges of a space are, for processes that may be killed, or wake up late, at any point.

    Every method raises UnavailableError when the store does not answer; calling it again is always safe.
    """

    def save(self, space: str, progress: RangeProgress, *, first: bool = False) -> bool:
        """Keep the progress of a range, once every write before its cursor was acknowledged; return whether it is kept.

        `first` begins the range, unless another process has: that is for one that found no progress of it. Any other
        save is of a range that was begun.

        It never moves back. False says that this process should stop: another one is further, or the space was dropped.
        """
        ...

    def load(self, space: str) -> Sequence[RangeProgress]:
        """Return the progress of every range that was begun, in their order; what a save kept is seen at once."""
        ...

    def drop(self, space: str) -> None:
        """Forget every range of the space; a save that arrives later is not kept."""
        ...


class EmbeddingStore(EmbeddingReader, NeighbourReader, EmbeddingWriter, Protocol):
    """A whole store, for composition roots."""

    def ensure_space(self, space: str) -> None:
        """Make the space's table where it is not there yet."""
        ...

    def close(self) -> None:
        """Let go of files and connections; calling twice is harmless, using it afterwards raises ClosedError."""
        ...


class RolloutStore(EmbeddingStore, RangeReader, KeyReader, Protocol):
    """A store that a rollout works on: it fills one space from another, and drops the one that is no longer kept."""

    def drop_space(self, space: str) -> None:
        """Drop the space's table and checkpoints where they are there; for a schema command or a rollout alone."""
        ...

    def checkpoints(self) -> Checkpoints:
        """Return the checkpoints that lie beside the embeddings; they end with this store."""
        ...
