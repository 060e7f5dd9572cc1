"""Errors, by meaning; each edge translates them once, to a gRPC status, a cause or a condition."""


class EmbArkError(Exception):
    """Base class of the errors that EmbArk raises."""


class InvalidSpecError(EmbArkError):
    """A manifest or one of its fields is invalid.

    `field` is the dotted path as a user writes it, for example `spec.encoder.output.dimension`.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class UnavailableError(EmbArkError):
    """A server (store, topic, Retina, EmbArk) did not answer, or not in time; the same call may succeed later."""

    def __init__(self, server: str, message: str) -> None:
        super().__init__(f"{server}: {message}")
        self.server = server


class ClosedError(EmbArkError):
    """A store or topic was used after close()."""
