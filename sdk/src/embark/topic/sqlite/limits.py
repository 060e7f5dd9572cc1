"""The limits and timeouts of the SQLite topic."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final


@dataclass(frozen=True, slots=True)
class SqliteTopicLimits:
    """How long records are kept, and how long the topic waits."""

    retention: timedelta = timedelta(days=7)
    """Of records that a group never commits, such as the group of a dropped space; Kafka's default."""
    timeout: timedelta = timedelta(seconds=10)
    """Of a statement, including its wait for the write lock."""
    recheck: timedelta = timedelta(milliseconds=50)
    """How often a poll looks for records of another process, whose producers cannot wake it."""
    producer_close: timedelta = timedelta(seconds=1)
    """Of a producer that is still open when the topic closes."""


DEFAULT_LIMITS: Final = SqliteTopicLimits()
