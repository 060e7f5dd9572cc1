"""Errors that refuse a whole request; the servicer translates each to a gRPC status."""

from embark.errors import EmbArkError


class InvalidArgumentError(EmbArkError):
    """The request exceeds a limit or lacks a field; the message names it."""


class UnknownSpaceError(EmbArkError):
    """The requested space is not served here; the message names the served ones."""


class WrongSpaceError(EmbArkError):
    """The request writes to a space other than the active one."""


class SearchDisabledError(EmbArkError):
    """The cache does not search its embeddings; the message names the field that enables it."""
