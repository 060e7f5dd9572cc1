"""What EmbArk, KFC and exports ask of a store; adapters stand beside this file, one contract suite tests them."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Protocol

from embark.clock import Micros
from embark.store.rows import Row


class EmbeddingReader(Protocol):
    """Reads rows; every method raises UnavailableError when the store does not answer in time."""

    def read(self, space: str, keys: Sequence[str], timeout: timedelta) -> dict[str, Row]:
        """Return the rows of those keys that have one and whose time is not over, within `timeout`."""
        ...

    def scan(self, space: str, page: int = 1000) -> Iterator[Sequence[Row]]:
        """Yield every row of the space that was there at the start, in pages of at most `page` rows, in no order."""
        ...

    def count(self, space: str) -> int:
        """Return the number of embeddings (negatives not counted); an estimate where counting is not cheap."""
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


class EmbeddingStore(EmbeddingReader, EmbeddingWriter, Protocol):
    """A whole store, for composition roots."""

    def ensure_space(self, space: str) -> None:
        """Make the space's table where it is not there yet."""
        ...

    def close(self) -> None:
        """Let go of files and connections; calling twice is harmless, using it afterwards raises ClosedError."""
        ...
