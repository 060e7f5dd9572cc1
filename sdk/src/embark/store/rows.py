"""The rows of a store: what it holds for one key in one space."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from embark.causes import Cause
from embark.clock import Micros

# How long a delete or an expired row still stands against earlier writes that arrive late; then a store may purge it.
# Far longer than any fill is in flight. Cassandra's name of the same rule is gc_grace_seconds.
GRACE: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Embedding:
    """A key's embedding.

    `vector` is one vector of the space's form (little-endian, contiguous). `written_at` is when its encoding began, not
    when it was stored: so a row is never dated later than the content it was made from, and an encoding that was in
    flight while its key was invalidated loses to the invalidation. `expires_at` is None for a row without TTL.
    """

    key: str
    vector: bytes
    written_at: Micros
    content_hash: bytes = b""
    expires_at: Micros | None = None


@dataclass(frozen=True, slots=True)
class Negative:
    """A key that cannot be encoded, with the cause; it expires at `expires_at`."""

    key: str
    cause: Cause
    written_at: Micros
    expires_at: Micros


@dataclass(frozen=True, slots=True)
class Present:
    """A key that has an embedding, without the embedding; it expires at `expires_at` (None: never)."""

    key: str
    expires_at: Micros | None = None


Row = Embedding | Negative

KeyRow = Present | Negative
"""The result of a scan of keys: negatives whole, embeddings only as present."""

Value = bytes | Cause
"""The answer of a lookup: an embedding's vector, or a negative's cause."""

Served = tuple[Value, Micros | None]
"""What a lookup needs of a row: its value, and when it expires (None: never)."""


def served(row: Row) -> Served:
    """Return what a lookup needs of the row."""
    return row.vector if isinstance(row, Embedding) else row.cause, row.expires_at


def key_row(row: Row) -> KeyRow:
    """Return the result of a scan of keys for the row."""
    return Present(row.key, row.expires_at) if isinstance(row, Embedding) else row


def expired(row: Row | KeyRow, now: Micros) -> bool:
    """Return whether the row has expired."""
    return row.expires_at is not None and row.expires_at <= now
