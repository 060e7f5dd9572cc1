"""The terms of one call of the client: its one deadline, and what becomes of keys without an embedding."""

from collections.abc import Callable
from typing import Final, Literal

from google.protobuf.duration_pb2 import Duration

OnMiss = Literal["oov", "wait", "raise"]
"""oov: answer at once; wait: let the server wait for fills, then answer; raise: MissingEmbeddingsError."""

DEFAULT_TIMEOUT: Final = 1.0
# One fetch may take 5 s by default; a caller that waits usually waits for new items.
DEFAULT_WAIT: Final = 5.0
# Left of an explicit timeout for the reply to travel once the server has stopped waiting.
_REPLY_SECONDS: Final = 0.1
_REPLY_SHARE: Final = 0.25

Monotonic = Callable[[], float]
"""Seconds since any fixed moment."""


class Terms:
    """One deadline over every request of a call, and over it the time that the server may wait for fills."""

    def __init__(self, seconds: Monotonic, timeout: float, wait: float = 0.0) -> None:
        self._seconds = seconds
        self.timeout = timeout
        self._end = seconds() + timeout
        self._wait_end = seconds() + wait

    def left(self) -> float:
        """Return the seconds until the deadline, never below 0."""
        return max(0.0, self._end - self._seconds())

    def wait_left(self) -> float:
        """Return how many seconds a request sent now may wait for fills and still be answered in time."""
        left = self.left()
        waiting = self._wait_end - self._seconds()
        return max(0.0, min(waiting, left - min(_REPLY_SECONDS, left * _REPLY_SHARE)))


def terms_of_lookup(
    seconds: Monotonic, default_timeout: float, timeout: float | None, on_miss: OnMiss, wait: float
) -> Terms:
    """Return a look-up's terms; without a timeout of its own, waiting comes on top of the client's timeout.

    Raises:
        ValueError: on_miss is none of its three words, or a time is negative.
    """
    if on_miss not in {"oov", "wait", "raise"}:
        raise ValueError(f"on_miss is {on_miss!r}; it must be oov, wait or raise")
    if wait < 0 or (timeout is not None and timeout < 0):
        raise ValueError("wait and timeout are seconds, 0 or more")
    waiting = wait if on_miss == "wait" else 0.0
    return Terms(seconds, default_timeout + waiting if timeout is None else timeout, waiting)


def duration_of(seconds: float) -> Duration:
    """Return the wire form of a time in seconds."""
    message = Duration()
    message.FromNanoseconds(int(seconds * 1e9))
    return message
