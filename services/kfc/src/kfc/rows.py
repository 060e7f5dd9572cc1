"""The rows that KFC writes, with their times to live."""

from datetime import timedelta

from embark.causes import Cause, CauseKind
from embark.clock import Micros, micros
from embark.settings import KfcSettings
from embark.spec import NegativeTTL
from embark.store import Embedding, Negative, Row
from kfc.encoder import EncodedVector


def build_row(key: str, outcome: EncodedVector | Cause, at: Micros, settings: KfcSettings) -> Row:
    """Return the row of the outcome of an encode that began at `at`.

    Raises:
        ValueError: see negative_row.
    """
    if isinstance(outcome, EncodedVector):
        return embedding_row(key, outcome, at, settings.store.ttl)
    return negative_row(key, outcome, at, settings.negative_ttl)


def embedding_row(key: str, encoded: EncodedVector, at: Micros, ttl: timedelta) -> Embedding:
    """Return the row of an encode that began at `at`, kept for `ttl` from then; 0: forever."""
    return Embedding(key, encoded.vector, at, encoded.content_hash, at + micros(ttl) if ttl else None)


def negative_row(key: str, cause: Cause, at: Micros, ttl: NegativeTTL) -> Negative:
    """Return the row of a key that could not be encoded, kept for the time to live of its cause.

    Raises:
        ValueError: the cause is ENCODER_FAILED or UNREADABLE, which are not lasting properties of the key.
    """
    return Negative(key, cause, at, at + micros(_ttl(cause.kind, ttl)))


def _ttl(kind: CauseKind, ttl: NegativeTTL) -> timedelta:
    match kind:
        case CauseKind.NOT_FOUND:
            return ttl.not_found
        case CauseKind.UNDECODABLE:
            return ttl.undecodable
        # A key that only Retina rejects is rejected for good, as an address that is not allowed is.
        case CauseKind.BLOCKED | CauseKind.INVALID_KEY:
            return ttl.blocked
        case CauseKind.UNREACHABLE:
            return ttl.unreachable
        case CauseKind.ENCODER_FAILED | CauseKind.UNREADABLE:
            raise ValueError(f"{kind.value} has no negative row")
