"""The backoff before the next attempt at a key that failed, and at a server that does not answer."""

from typing import Final

from embark.retries import Backoff, Jitter
from embark.spec import Retry

# In seconds. An outage is retried more often than a key that failed: its end is the end for every key.
_OUTAGE_INITIAL: Final = 0.1
_OUTAGE_MAXIMUM: Final = 5.0


def key_backoff(retry: Retry, jitter: Jitter) -> Backoff:
    """Return the backoff of keys whose encode failed for a temporary cause."""
    return Backoff(retry.initial_backoff.total_seconds(), retry.max_backoff.total_seconds(), jitter)


def outage_backoff(retry: Retry, jitter: Jitter) -> Backoff:
    """Return the backoff of calls to a server that does not answer."""
    initial = min(retry.initial_backoff.total_seconds(), _OUTAGE_INITIAL)
    return Backoff(initial, min(retry.max_backoff.total_seconds(), _OUTAGE_MAXIMUM), jitter)
