"""Keeps a re-embedding at the pace that look-ups bear: once a second it asks how long they took, and sets the limit."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from typing import Final

from kfc.reembed.lookup_times import LookupLatencySource
from kfc.reembed.pace import CYCLE_SECONDS, PaceController
from kfc.reembed.rates import RateLimit

_log: Final = logging.getLogger(__name__)


@contextmanager
def paced(limit: RateLimit, lookups: LookupLatencySource, slowdown: float, *, second: float = 1.0) -> Iterator[None]:
    """Set the limit until the block ends, such that look-ups take at most `slowdown` times as long as without it.

    `second` is how long one takes.
    """
    stopping = threading.Event()
    limit.rate = 0
    thread = threading.Thread(
        target=_pace, args=(limit, lookups, PaceController(slowdown), stopping, second), name="pace"
    )
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def _pace(
    limit: RateLimit, lookups: LookupLatencySource, pace: PaceController, stopping: threading.Event, second: float
) -> None:
    try:
        for rate in _rates(limit, lookups, pace, stopping, second):
            limit.rate = rate
    except Exception:  # noqa: BLE001 - no fault in it may hold the re-embedding
        _log.exception("look-ups are not looked at any more; the re-embedding goes on without")
    finally:
        limit.rate = inf  # nothing waits for a pace that nobody sets


def _rates(
    limit: RateLimit, lookups: LookupLatencySource, pace: PaceController, stopping: threading.Event, second: float
) -> Iterator[float]:
    """Yield the limit once a second."""
    lookups()
    taken, held = limit.taken, False
    # All processes tell cycles by the clock of the day, so that they rest together.
    cycle = time.time() // (CYCLE_SECONDS * second)
    while not stopping.wait(second - time.time() % second):
        before, cycle = cycle, time.time() // (CYCLE_SECONDS * second)
        keys, taken = limit.taken - taken, limit.taken
        rate = pace.advance(lookups(), keys, begins=cycle != before)
        if rate > 0 and held is not (rate < inf):
            held = rate < inf
            _log.info(
                "the re-embedding goes %s", "as fast as look-ups bear" if held else "on: nobody looks anything up"
            )
        yield rate
