"""The error that stops Retina from starting; `__main__` and the local mode print its message."""

from embark.errors import EmbArkError


class RefusedError(EmbArkError):
    """What the cache declares and what is there do not agree; the message names both values."""
