"""The errors of the client beside UnavailableError, and the one translation of a gRPC status into them."""

from collections.abc import Sequence
from typing import Final

import grpc

from embark.client.embeddings import Embeddings
from embark.errors import EmbArkError, UnavailableError
from embark.statuses import KeyStatus

_REFUSED: Final = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAUTHENTICATED,
    }
)
_NAMED_KEYS: Final = 3


class InvalidRequestError(EmbArkError, ValueError):
    """The server, or the client for it, refuses the request; the same call fails again."""

    def __init__(self, server: str, message: str) -> None:
        super().__init__(f"{server}: {message}")
        self.server = server


class BadReplyError(EmbArkError):
    """A reply contradicts itself or its request; the server is not of this version, or is broken."""

    def __init__(self, server: str, message: str) -> None:
        super().__init__(f"{server}: {message}")
        self.server = server


class MixedSpacesError(UnavailableError):
    """The parts of one look-up came from several spaces and no one space would answer them all; ask again."""

    def __init__(self, server: str, spaces: Sequence[str]) -> None:
        super().__init__(server, f"the active space changed while it answered ({', '.join(spaces)}); ask again")
        self.spaces = tuple(spaces)


class MissingEmbeddingsError(EmbArkError):
    """Raised for on_miss="raise": some keys have no embedding. `embeddings` is the whole answer."""

    def __init__(self, server: str, keys: Sequence[bytes], embeddings: Embeddings) -> None:
        self.embeddings = embeddings
        missing = [i for i, status in enumerate(embeddings.statuses) if status is not KeyStatus.HIT]
        self.keys = tuple(keys[i] for i in missing)
        named = [_name(keys[i], embeddings, i) for i in missing[:_NAMED_KEYS]]
        more = f" and {len(missing) - _NAMED_KEYS} more" if len(missing) > _NAMED_KEYS else ""
        super().__init__(f"{server}: {len(missing)} of {len(keys)} keys have no embedding: {', '.join(named)}{more}")


def _name(key: bytes, embeddings: Embeddings, index: int) -> str:
    cause = embeddings.causes.get(index)
    text = ascii(key[:80].decode(errors="replace"))
    return f"{text} {embeddings.statuses[index].name}" + (f" {cause}" if cause else "")


def error_of_status(server: str, code: grpc.StatusCode, details: str, timeout: float) -> EmbArkError:
    """Return the error that a failed call of at most `timeout` seconds means."""
    if code in _REFUSED:
        return InvalidRequestError(server, details or code.name)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return UnavailableError(server, f"no answer within {timeout:g} s")
    return UnavailableError(server, f"{code.name}: {details}" if details else code.name)
