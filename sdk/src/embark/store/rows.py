"""The rows of a store: what is known of one key in one space."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from embark.causes import Cause
from embark.clock import Micros

# How long a delete, or a row whose time is over, still stands against earlier writes that arrive late; then a store may
# forget it. Far longer than any fill is under way. Cassandra has the same rule under the name gc_grace_seconds.
GRACE: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Embedding:
    """A key's embedding.

    `vector` is one vector of the space's form (little-endian, contiguous). `written_at` is when its encoding began, not
    when it was stored: so a row never claims to be younger than what it was made from, and an encode that was under
    way while its key was invalidated loses to the invalidation. `expires_at` is None for a row without TTL.
    """

    key: str
    vector: bytes
    written_at: Micros
    content_hash: bytes = b""
    expires_at: Micros | None = None


@dataclass(frozen=True, slots=True)
class Negative:
    """A key that cannot be encoded, and why; forgotten at `expires_at`."""

    key: str
    cause: Cause
    written_at: Micros
    expires_at: Micros


@dataclass(frozen=True, slots=True)
class Present:
    """That a key has an embedding, without the embedding; its time is over at `expires_at` (None: never)."""

    key: str
    expires_at: Micros | None = None


Row = Embedding | Negative

KeyRow = Present | Negative
"""What a scan of keys returns of a row: all of a negative, and of an embedding that it is there."""

Value = bytes | Cause
"""What a look-up answers with: an embedding's vector, or a negative's cause."""

Served = tuple[Value, Micros | None]
"""What a look-up needs of a row: its value, and when its time is over (None: never)."""


def served(row: Row) -> Served:
    """Return what a look-up needs of the row."""
    return row.vector if isinstance(row, Embedding) else row.cause, row.expires_at


def key_row(row: Row) -> KeyRow:
    """Return what a scan of keys returns of the row."""
    return Present(row.key, row.expires_at) if isinstance(row, Embedding) else row


def expired(row: Row | KeyRow, now: Micros) -> bool:
    """Return whether the row's time is over."""
    return row.expires_at is not None and row.expires_at <= now
