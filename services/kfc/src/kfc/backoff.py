"""How long to wait before the next attempt, at a key that failed or at a server that does not answer; pure."""

from typing import Final

from embark.retries import Backoff, Jitter
from embark.spec import Retry

# An outage is asked after more often than a key that failed: it ends for every key at once.
_OUTAGE_INITIAL: Final = 0.1
_OUTAGE_MAXIMUM: Final = 5.0


def key_backoff(retry: Retry, jitter: Jitter) -> Backoff:
    """Return the backoff of keys whose encode failed for a cause that may pass."""
    return Backoff(retry.initial_backoff.total_seconds(), retry.max_backoff.total_seconds(), jitter)


def outage_backoff(retry: Retry, jitter: Jitter) -> Backoff:
    """Return the backoff of calls of a server that does not answer."""
    initial = min(retry.initial_backoff.total_seconds(), _OUTAGE_INITIAL)
    return Backoff(initial, min(retry.max_backoff.total_seconds(), _OUTAGE_MAXIMUM), jitter)
