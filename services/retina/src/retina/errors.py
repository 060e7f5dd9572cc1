"""StartupError: why Retina does not start."""

from embark.errors import EmbArkError


class StartupError(EmbArkError):
    """The model, the runtime or a port does not match what the cache declares; the message names both values."""
