"""The errors of the client in addition to those of embark.errors, and the translation of a gRPC status to them."""

from collections.abc import Sequence
from typing import Final

import grpc

from embark.client.results import Embeddings
from embark.errors import EmbArkError, UnavailableError
from embark.statuses import KeyStatus

_INVALID_STATUSES: Final = frozenset(
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
_MAX_NAMED_KEYS: Final = 3


class InvalidRequestError(EmbArkError, ValueError):
    """The request is not valid, by the server's or the client's own checks; the same call would fail again."""

    def __init__(self, server: str, message: str) -> None:
        super().__init__(f"{server}: {message}")
        self.server = server


class BadReplyError(EmbArkError):
    """A reply contradicts itself or its request: the server is of another version or broken."""

    def __init__(self, server: str, message: str) -> None:
        super().__init__(f"{server}: {message}")
        self.server = server


class MixedSpacesError(UnavailableError):
    """The parts of one lookup were answered from several spaces, and no single space answered them all; retry."""

    def __init__(self, server: str, spaces: Sequence[str]) -> None:
        super().__init__(server, f"the active space changed during the lookup ({', '.join(spaces)}); retry")
        self.spaces = tuple(spaces)


class MissingEmbeddingsError(EmbArkError):
    """Some keys have no embedding, and the lookup was called with on_miss="raise".

    Attributes:
        embeddings: The whole result of the lookup.
        keys: The keys without an embedding.
    """

    def __init__(self, server: str, keys: Sequence[bytes], embeddings: Embeddings) -> None:
        self.embeddings = embeddings
        missing = [i for i, status in enumerate(embeddings.statuses) if status is not KeyStatus.HIT]
        self.keys = tuple(keys[i] for i in missing)
        named = [_describe(keys[i], embeddings, i) for i in missing[:_MAX_NAMED_KEYS]]
        more = f" and {len(missing) - _MAX_NAMED_KEYS} more" if len(missing) > _MAX_NAMED_KEYS else ""
        super().__init__(f"{server}: {len(missing)} of {len(keys)} keys have no embedding: {', '.join(named)}{more}")


def _describe(key: bytes, embeddings: Embeddings, index: int) -> str:
    cause = embeddings.causes.get(index)
    text = ascii(key[:80].decode(errors="replace"))
    return f"{text} {embeddings.statuses[index].name}" + (f" {cause}" if cause else "")


def error_from_status(server: str, code: grpc.StatusCode, details: str, timeout: float) -> EmbArkError:
    """Return the error for a call with a timeout of `timeout` seconds that ended with a gRPC status."""
    if code in _INVALID_STATUSES:
        return InvalidRequestError(server, details or code.name)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return UnavailableError(server, f"no answer within {timeout:g} s")
    return UnavailableError(server, f"{code.name}: {details}" if details else code.name)
