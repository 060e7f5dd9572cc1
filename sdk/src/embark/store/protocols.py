"""The protocols of a store; one contract suite tests every adapter."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Protocol

from embark.clock import Micros
from embark.store.neighbours import Neighbour, Search
from embark.store.progress import RangeProgress
from embark.store.ranges import KeyPage, Page, TokenRange
from embark.store.rows import Row, Served


class EmbeddingReader(Protocol):
    """Reads rows; every method raises UnavailableError if the store does not answer in time."""

    def read(self, space: str, keys: Sequence[str], timeout: timedelta) -> dict[str, Row]:
        """Return the unexpired rows of the keys that have one, within `timeout`."""
        ...

    def lookup(self, space: str, keys: Sequence[str], timeout: timedelta) -> dict[str, Served]:
        """Return what lookups need of the rows that `read` would return; it costs less."""
        ...

    def scan(self, space: str, page: int = 1000) -> Iterator[Sequence[Row]]:
        """Yield every row that the space had at the start, in pages of at most `page` rows, in no order."""
        ...

    def count(self, space: str) -> int:
        """Return the number of embeddings, without negatives; an estimate where counting is expensive."""
        ...


class NeighbourReader(Protocol):
    """Finds the embeddings of a space that are nearest to a vector."""

    def similar(self, space: str, search: Search, timeout: timedelta) -> Sequence[Neighbour]:
        """Return at most `search.k` neighbours, nearest first, from the rows that `read` would return now.

        Exact in the embedded stores. Cassandra searches an index, which may miss a neighbour, seldom in a small space.
        Raises UnavailableError if the store does not answer within `timeout`, or has no index.
        """
        ...


class EmbeddingWriter(Protocol):
    """Writes rows; a return is an acknowledgement, UnavailableError means that the outcome is unknown."""

    def write(self, space: str, rows: Sequence[Row]) -> None:
        """Write rows.

        Of two writes or deletes of a key the one with the later `written_at` wins, in any order of arrival; an equal
        write wins over a stored row, but not over a delete.
        """
        ...

    def delete(self, space: str, keys: Sequence[str], at: Micros) -> None:
        """Delete what was written up to and including `at`; an earlier write that arrives later has no effect."""
        ...


class RangeReader(Protocol):
    """Reads a space in parts that several processes share and resume; see split_ring."""

    def scan_range(self, space: str, token_range: TokenRange, page: int = 1000) -> Iterator[Page]:
        """Yield the rows of a range in the order of their tokens, in pages of at most `page` (twice that at worst).

        No row that exists from the start of the scan to its end is skipped; of other rows some are seen. The cursor
        of the last page is `token_range.end`, and a page may be empty. A scan that ended early is resumed by a scan
        of the tokens after the last cursor, which repeats rows only if more than `page` of them share a token.
        Raises UnavailableError if the store does not answer.
        """
        ...


class KeyReader(Protocol):
    """Reads the keys of a space in the same parts."""

    def scan_keys(self, space: str, token_range: TokenRange, page: int = 1000) -> Iterator[KeyPage]:
        """Yield the pages of `scan_range` with negatives whole and embeddings only as present; it costs less."""
        ...


class Checkpoints(Protocol):
    """Stores the progress of a space's ranges for processes that may be killed, or resume late, at any point.

    Every method raises UnavailableError if the store does not answer; a retry is always safe.
    """

    def save(self, space: str, progress: RangeProgress, *, first: bool = False) -> bool:
        """Store the progress of a range, once every write before its cursor was acknowledged; return whether it was.

        `first` creates the checkpoint unless another process has: only for a process that found none. Any other save
        requires the checkpoint to exist.

        A checkpoint never moves back. False means that this process should stop: another one is further, or the space
        was dropped.
        """
        ...

    def load(self, space: str) -> Sequence[RangeProgress]:
        """Return the progress of every range that has a checkpoint, in their order; a save is visible at once."""
        ...

    def drop(self, space: str) -> None:
        """Delete the checkpoints of the space; a save that arrives later is rejected."""
        ...


class EmbeddingStore(EmbeddingReader, NeighbourReader, EmbeddingWriter, Protocol):
    """A whole store, for composition roots."""

    def ensure_space(self, space: str) -> None:
        """Create the space's table unless it exists."""
        ...

    def close(self) -> None:
        """Close files and connections, once or more often; any later use raises ClosedError."""
        ...


class RolloutStore(EmbeddingStore, RangeReader, KeyReader, Protocol):
    """A store for rollouts, which fill one space from another and drop the old one."""

    def drop_space(self, space: str) -> None:
        """Drop the space's table and checkpoints if they exist; only for a schema command or a rollout."""
        ...

    def checkpoints(self) -> Checkpoints:
        """Return the checkpoints, which close with this store."""
        ...
