"""The deadline of one method call of the client, and how keys without an embedding are treated."""

from collections.abc import Callable
from typing import Final, Literal

from google.protobuf.duration_pb2 import Duration

OnMiss = Literal["oov", "wait", "raise"]
"""How a lookup treats keys without an embedding.

oov: return the OOV embedding at once; wait: let the server wait for their fills; raise: raise MissingEmbeddingsError.
"""

DEFAULT_TIMEOUT: Final = 1.0
# A fetch may take 5 s by default, and a caller that waits usually waits for new items.
DEFAULT_WAIT: Final = 5.0
# Reserved from an explicit timeout so that the reply can travel after the server has stopped waiting.
_REPLY_SECONDS: Final = 0.1
_REPLY_SHARE: Final = 0.25

Monotonic = Callable[[], float]
"""Seconds since any fixed moment."""


class CallDeadline:
    """The deadline over all requests of one method call, and the time that the server may wait for fills."""

    def __init__(self, seconds: Monotonic, timeout: float, wait: float = 0.0) -> None:
        self._seconds = seconds
        self.timeout = timeout
        self._end = seconds() + timeout
        self._wait_end = seconds() + wait

    def left(self) -> float:
        """Return the seconds until the deadline, at least 0."""
        return max(0.0, self._end - self._seconds())

    def wait_left(self) -> float:
        """Return the seconds that a request sent now may wait for fills and still be answered in time."""
        left = self.left()
        waiting = self._wait_end - self._seconds()
        return max(0.0, min(waiting, left - min(_REPLY_SECONDS, left * _REPLY_SHARE)))


def build_lookup_deadline(
    seconds: Monotonic, default_timeout: float, timeout: float | None, on_miss: OnMiss, wait: float
) -> CallDeadline:
    """Return the deadline of a lookup; without an explicit `timeout`, `wait` is added to the client's default.

    Raises:
        ValueError: on_miss is unknown, or a time is negative.
    """
    if on_miss not in {"oov", "wait", "raise"}:
        raise ValueError(f"on_miss is {on_miss!r}; it must be oov, wait or raise")
    if wait < 0 or (timeout is not None and timeout < 0):
        raise ValueError("wait and timeout are seconds and must be at least 0")
    waiting = wait if on_miss == "wait" else 0.0
    return CallDeadline(seconds, default_timeout + waiting if timeout is None else timeout, waiting)


def to_duration(seconds: float) -> Duration:
    """Return the message of a time in seconds."""
    message = Duration()
    message.FromNanoseconds(int(seconds * 1e9))
    return message
