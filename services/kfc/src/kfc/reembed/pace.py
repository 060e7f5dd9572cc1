"""The pace of a re-embedding beside lookups: as fast as possible without slowing them down too much.

Lookups during the re-embedding are compared with those without it: once a minute all its processes rest for a few
seconds, at the same time by their clocks. Few of the lookups between the rests may take longer than `slowdown` times
the 99th percentile in the rests: the limit rises while fewer do, and falls with the number that do.
"""

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import exp, inf
from typing import Final

from kfc.reembed.lookup_times import LookupLatencySource, Times
from kfc.reembed.rates import RateLimit

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PaceTuning:
    """The constants of the control law; changes of the limit are natural logarithms of its factor.

    The law is closest to AIMD (Chiu and Jain, Analysis of the Increase and Decrease Algorithms for Congestion
    Avoidance in Computer Networks, 1989) with the slow start of TCP (Jacobson, Congestion Avoidance and Control,
    1988), on the logarithm of the rate: it adds a bounded step each second without slow lookups. Unlike AIMD, the
    decrease is in proportion to the slow lookups above the target, since a fixed one would react to single lookups.
    The values were found by simulation (test_kfc_pace) and by measurements (benchmarks/reembedding.py).
    """

    cycle_seconds: int = 60
    """From the beginning of one rest to the next: rests cost a fifteenth of the time."""
    rest_seconds: int = 4
    """Length of a rest. Its first second is not measured: what was in flight continues in it."""
    initial_rate: float = 50.0
    """Keys a second after the first rest; small, since nothing is known yet, and doubled in three seconds."""
    min_rate: float = 10.0
    """Keys a second that it never goes below: a rollout must end even if lookups are slow for another reason."""
    percentile: float = 0.99
    """Of the latencies in the rests: what `slowdown` multiplies, as spec.rollout.maxLookupSlowdown documents."""
    slow_share: float = (1 - 0.99) / 3
    """Target share of slow lookups: a third of what the percentile allows, since clients see more than the server."""
    gain: float = 0.05
    """Change for each slow lookup more or less than the target."""
    max_weighted: int = 400
    """Lookups a second up to which each counts fully: with more, the gain is shared among them."""
    max_decrease: float = 1.0
    """Largest decrease of a second, to 37 %."""
    max_increase: float = 0.1
    """Largest increase of a second, by 11 %."""
    seek_increase: float = 0.25
    """Increase of a second, by 28 %, while the bearable rate is unknown (slow start)."""
    overshoot_decrease: float = 0.5
    """Decrease when that search ends: the last two increases, since latencies lag by up to two seconds."""
    seek_after_slow: float = 5.0
    """The search starts over after as many lookups without a slow one as would contain this many at the target."""
    rest_weight: float = 0.5
    """Weight that the latencies of earlier rests keep at each rest: half-life of one minute."""
    idle_seconds: int = 5
    """Seconds without a lookup after which there is no limit."""


DEFAULT_TUNING: Final = PaceTuning()


class PaceController:
    """The limit of one process, computed once a second; it begins with a rest."""

    def __init__(self, slowdown: float, tuning: PaceTuning = DEFAULT_TUNING) -> None:
        """Take how many times as long lookups may take as without the re-embedding."""
        self._slowdown = slowdown
        self._tuning = tuning
        self._usual: dict[float, float] = {}  # lookups by latency in the rests, recent ones weighing more
        self._threshold = inf
        self._rest_left = tuning.rest_seconds - 1  # nothing was in flight before it
        self._idle = 0
        self._rate = tuning.initial_rate
        self._seeking = True  # what lookups bear is unknown
        self._fast = 0  # lookups since the last slow one
        self._limit = 0.0

    def advance(self, latencies: Times | None, keys: int, *, begins: bool) -> float:
        """Return the limit in keys a second until the next call, one second later; 0: none, inf: any number.

        `latencies` are those of lookups in the last second, None if unknown; `keys` is how many keys were encoded in
        it; `begins` says whether a cycle begins at this call.
        """
        if latencies is not None:
            self._idle = 0 if latencies else self._idle + 1
        if self._rest_left:
            self._rest(latencies)
        elif latencies and 0 < self._limit < inf:
            self._adjust(latencies, keys)
        if self._rest_left:
            self._limit = 0.0
        elif self._idle >= self._tuning.idle_seconds or not (latencies or self._usual):
            self._limit = inf
        elif latencies and (begins or not self._usual):
            self._rest_left = self._tuning.rest_seconds
            self._limit = 0.0
        else:
            self._limit = self._rate
        return self._limit

    def _rest(self, latencies: Times | None) -> None:
        self._rest_left -= 1
        if latencies is not None and not latencies and not self._usual:
            self._rest_left = 0  # there are no lookups to measure
        if latencies and self._rest_left < self._tuning.rest_seconds - 1:
            for bound, count in latencies.items():
                self._usual[bound] = self._usual.get(bound, 0.0) + count
        if self._rest_left == 0 and self._usual:
            self._threshold = self._slowdown * _percentile(self._usual, self._tuning.percentile)
            self._usual = {bound: count * self._tuning.rest_weight for bound, count in self._usual.items()}

    def _adjust(self, latencies: Times, keys: int) -> None:
        tuning, total = self._tuning, latencies.total()
        slow = sum(count for bound, count in latencies.items() if bound > self._threshold)
        self._fast = 0 if slow else self._fast + total
        self._seeking = self._seeking or self._fast > tuning.seek_after_slow / tuning.slow_share
        target = tuning.slow_share * total
        if self._seeking and slow > max(1.0, 2 * target):
            self._seeking = False
            change = -tuning.overshoot_decrease
        elif self._seeking:
            change = tuning.seek_increase
        else:
            gain = tuning.gain * min(1.0, tuning.max_weighted / total)
            change = max(-tuning.max_decrease, min(tuning.max_increase, gain * (target - slow)))
        # If something else limits the re-embedding, nothing is learned about a higher limit.
        if change < 0 or 2 * keys >= self._rate:
            self._rate = max(tuning.min_rate, self._rate * exp(change))


@contextmanager
def paced(limit: RateLimit, lookups: LookupLatencySource, slowdown: float, *, second: float = 1.0) -> Iterator[None]:
    """Set the limit until the block ends, so that lookups take at most `slowdown` times as long as without it.

    `second` is the length of a second, shorter in tests.
    """
    stopping = threading.Event()
    limit.rate = 0
    thread = threading.Thread(
        target=_set_pace, args=(limit, lookups, PaceController(slowdown), stopping, second), name="pace"
    )
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def _set_pace(
    limit: RateLimit, lookups: LookupLatencySource, pace: PaceController, stopping: threading.Event, second: float
) -> None:
    try:
        for rate in _rates(limit, lookups, pace, stopping, second):
            limit.rate = rate
    except Exception:  # noqa: BLE001 - no error in it may stop the re-embedding
        _log.exception("cannot read lookup latencies; the re-embedding continues without a limit")
    finally:
        limit.rate = inf  # or the re-embedding would wait for a rate that is never set


def _rates(
    limit: RateLimit, lookups: LookupLatencySource, pace: PaceController, stopping: threading.Event, second: float
) -> Iterator[float]:
    """Yield the limit once a second."""
    lookups()
    taken, limited = limit.taken, False
    cycle_seconds = DEFAULT_TUNING.cycle_seconds * second
    # Cycles begin at the same time of day in all processes, so that they rest together.
    cycle = time.time() // cycle_seconds
    while not stopping.wait(second - time.time() % second):
        before, cycle = cycle, time.time() // cycle_seconds
        keys, taken = limit.taken - taken, limit.taken
        rate = pace.advance(lookups(), keys, begins=cycle != before)
        if rate > 0 and limited is not (rate < inf):
            limited = rate < inf
            _log.info(
                "the re-embedding %s", "runs as fast as lookups bear" if limited else "runs unlimited: no lookups"
            )
        yield rate


def _percentile(latencies: Mapping[float, float], percentile: float) -> float:
    """Return the latency that at most a share of 1 - `percentile` exceeds."""
    left = (1 - percentile) * sum(latencies.values())
    for bound in sorted(latencies, reverse=True):
        left -= latencies[bound]
        if left < 0:
            return bound
    return 0.0
