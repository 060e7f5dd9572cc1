"""Limits and timeouts of one server that the spec does not set; the defaults are those of production."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of each kind a server takes at a time."""

    lookup_threads: int = 2
    """Lookups that run at a time. In three alternating runs of the benchmark on two cores, 2 answered about a seventh
    more hot lookups than 3."""
    store_threads: int = 28
    """Lookups that wait for the store at a time."""
    waiting_calls: int = 32
    """Lookups that wait for fills at a time; each holds a thread and reads the store up to 20 times per second."""
    change_threads: int = 4
    search_threads: int = 2
    """A search holds its thread while the store reads; more of them at a time would only slow each other down."""
    streams: int = 32
    """Open streams; each holds a thread as long as it lives."""
    neighbours: int = 100
    """The largest k of a search; each neighbour is a row that the store reads."""
    store_failures: int = 3
    """Consecutive failures of the store that open its circuit breaker."""

    @property
    def all_lookup_threads(self) -> int:
        """Threads of lookups, both running and waiting."""
        return self.lookup_threads + self.store_threads + self.waiting_calls


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a server waits, and how long it keeps what it has read."""

    search: timedelta = timedelta(seconds=30)
    """Of one search; in the local mode it reads every row."""
    store_probe: timedelta = timedelta(milliseconds=250)
    """Between two probes of the store while its circuit breaker is open."""
    notice: timedelta = timedelta(milliseconds=250)
    """For clients to react to NOT_SERVING: a message and a switch of their threads."""
    entries_ttl: timedelta = timedelta(seconds=30)
    """Of the count of entries, which reads many rows."""
    rollout_ttl: timedelta = timedelta(seconds=2)
    """Of the progress of a rollout, which reads a few hundred small rows."""


DEFAULT_LIMITS: Final = Limits()
DEFAULT_TIMEOUTS: Final = Timeouts()
