"""The clock of rows and records: microseconds since the epoch, as in Cassandra's write timestamps."""

import time
from collections.abc import Callable
from datetime import timedelta

Micros = int
Clock = Callable[[], Micros]


def now() -> Micros:
    """Return the time now, in microseconds since the epoch."""
    return time.time_ns() // 1_000


def micros(duration: timedelta) -> Micros:
    """Return a duration in microseconds."""
    return duration // timedelta(microseconds=1)
