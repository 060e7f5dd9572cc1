"""How fast a re-embedding may go beside look-ups: as fast as it can without slowing them down by too much; pure.

Look-ups with the re-embedding are compared with those without: once a minute all its processes rest for a few seconds,
at the same time by their clocks. Of the look-ups between, hardly any may take longer than so many times what the
slowest one in a hundred took in the rests: the limit goes up while fewer do, and down by how many more do.
"""

from collections.abc import Mapping
from math import exp, inf
from typing import Final

from kfc.reembed.lookup_times import Times

CYCLE_SECONDS: Final = 60
"""From the beginning of one rest to the next."""
REST_SECONDS: Final = 4
"""How long a rest lasts; its first second is left out: what was under way goes on in it."""

_FIRST_RATE: Final = 50.0
_LEAST_RATE: Final = 10.0
# The slowest of a hundred may be slow. The aim is a third of that: callers wait for more than a server sees.
_PERCENTILE: Final = 0.99
_AIM: Final = (1 - _PERCENTILE) / 3
# Natural logarithms of what the limit changes by: a slow look-up more or less than the aim, of so many at most that
# each counts, and bounds of a second's.
_A_LOOKUP: Final = 0.05
_COUNTED: Final = 400
_MOST_DOWN: Final = 1.0
_MOST_UP: Final = 0.1
_SEEKING_UP: Final = 0.25
_OVERSHOT: Final = 2 * _SEEKING_UP
# Of so many look-ups about five would be slow at the aim: where none was, the limit is far from what they bear.
_FINE_ENOUGH: Final = 5 / _AIM
# By a rest, what was seen in those before it counts so much less.
_KEPT: Final = 0.5
# So long without a look-up, and there is nobody to slow down for.
_IDLE_SECONDS: Final = 5


class PaceController:
    """The limit of one process, told anew once a second; at first it rests."""

    def __init__(self, slowdown: float) -> None:
        """Take how many times as long look-ups may take as without the re-embedding."""
        self._slowdown: Final = slowdown
        self._usual: dict[float, float] = {}  # look-ups by their time in the rests, late ones counting more
        self._bar = inf
        self._rest_left = REST_SECONDS - 1  # nothing was under way before it
        self._idle = 0
        self._rate = _FIRST_RATE
        self._seeking = True  # nothing is known of what the look-ups bear
        self._fine = 0  # look-ups since the last slow one
        self._limit = 0.0

    def advance(self, took: Times | None, keys: int, *, begins: bool) -> float:
        """Return how many keys a second may be encoded until the next call, a second later: 0: none, inf: any.

        `took` is what look-ups took in the last second, None where it is not known, and `keys` how many were encoded in
        it; a cycle `begins` at this call or not.
        """
        if took is not None:
            self._idle = 0 if took else self._idle + 1
        if self._rest_left:
            self._rest(took)
        elif took and 0 < self._limit < inf:
            self._adjust(took, keys)
        if self._rest_left:
            self._limit = 0.0
        elif self._idle >= _IDLE_SECONDS or not (took or self._usual):
            self._limit = inf
        elif took and (begins or not self._usual):
            self._rest_left = REST_SECONDS
            self._limit = 0.0
        else:
            self._limit = self._rate
        return self._limit

    def _rest(self, took: Times | None) -> None:
        self._rest_left -= 1
        if took is not None and not took and not self._usual:
            self._rest_left = 0  # nobody looks anything up
        if took and self._rest_left < REST_SECONDS - 1:
            for bound, count in took.items():
                self._usual[bound] = self._usual.get(bound, 0.0) + count
        if self._rest_left == 0 and self._usual:
            self._bar = self._slowdown * _percentile(self._usual)
            self._usual = {bound: count * _KEPT for bound, count in self._usual.items()}

    def _adjust(self, took: Times, keys: int) -> None:
        slow = sum(count for bound, count in took.items() if bound > self._bar)
        self._fine = 0 if slow else self._fine + took.total()
        self._seeking = self._seeking or self._fine > _FINE_ENOUGH
        fine = _AIM * took.total()
        if self._seeking and slow > max(1.0, 2 * fine):
            self._seeking = False
            change = -_OVERSHOT
        elif self._seeking:
            change = _SEEKING_UP
        else:
            weight = _A_LOOKUP * min(1.0, _COUNTED / took.total())
            change = max(-_MOST_DOWN, min(_MOST_UP, weight * (fine - slow)))
        # Where something else holds the re-embedding back, nothing is learnt of a higher limit.
        if change < 0 or 2 * keys >= self._rate:
            self._rate = max(_LEAST_RATE, self._rate * exp(change))


def _percentile(times: Mapping[float, float]) -> float:
    """Return what one in a hundred of the times exceeds, at most."""
    left = (1 - _PERCENTILE) * sum(times.values())
    for bound in sorted(times, reverse=True):
        left -= times[bound]
        if left < 0:
            return bound
    return 0.0
