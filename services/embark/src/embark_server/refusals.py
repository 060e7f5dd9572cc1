"""What a whole request is refused for; the servicer translates each to one gRPC status."""

from embark.errors import EmbArkError


class InvalidRequestError(EmbArkError):
    """The request breaks a limit or lacks a field; the message names it."""


class UnknownSpaceError(EmbArkError):
    """The space that the request names is not served here; the message names those that are."""


class WrongSpaceError(EmbArkError):
    """The request writes to a space that is not the active one."""


class SearchOffError(EmbArkError):
    """The cache does not search its embeddings; the message names the field that says so."""


def check_count(count: int, limit: int) -> None:
    """Refuse a request without keys, or with more than `limit`.

    Raises:
        InvalidRequestError: the message names the limit.
    """
    if count > limit:
        raise InvalidRequestError(f"the request has {count} keys; at most {limit} are allowed (maxKeysPerRequest)")
    if count == 0:
        raise InvalidRequestError("the request has no keys")
