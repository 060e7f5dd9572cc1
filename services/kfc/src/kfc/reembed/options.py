"""How a re-embedding runs: its pace, its limits and the callback for its progress."""

from collections.abc import Callable
from dataclasses import dataclass

from kfc.reembed.lookup_times import LookupLatencySource
from kfc.scans import PAGE_ROWS

OnProgress = Callable[[int, int], None]
"""Called with the numbers of done and failed keys of pages that were just checkpointed."""


@dataclass(frozen=True, slots=True)
class ReembedLimits:
    """How many keys a re-embedding holds, and how many it reads and writes at a time."""

    page_rows: int = PAGE_ROWS
    """Rows of a page."""
    max_unwritten: int = 500
    """Keys in Encode calls, or encoded and not yet written, unless two calls a thread hold more. A killed process loses
    the encodes of that many; one half is encoded while the other is written."""
    max_read: int = 2 * PAGE_ROWS
    """Keys read and not yet written, above which no page is read ahead."""
    max_waiting: int = 10 * PAGE_ROWS
    """Keys that wait for another attempt, above which no page is read ahead."""
    max_unsaved: int = 64
    """Checkpoints being saved, above which no page is read ahead."""
    write_rows: int = 250
    """Rows of a write: about as many as the store has in flight. Writes of a quarter cost a fifth of the rate."""


@dataclass(frozen=True, slots=True)
class ReembedOptions:
    """The parameters of one process of a re-embedding."""

    keys_per_second: float = 0
    """The rate limit of this process; 0: none."""
    lookups: LookupLatencySource | None = None
    """Reports the latencies of lookups, which the re-embedding slows down for."""
    slowdown: float = 0
    """Lookups take at most this many times as long as without the re-embedding; 0: any time."""
    retry_failed: bool = False
    """See plan_page."""
    on_progress: OnProgress | None = None
    limits: ReembedLimits = ReembedLimits()
