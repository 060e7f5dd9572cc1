"""How long the look-ups of a cache take, as its EmbArk pods tell it; a re-embedding asks, to slow down for them."""

import logging
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import inf
from typing import Final

from embark.counts import LookupTimes
from embark.pods import PodClient, PodError, PodLimits

Times = Counter[float]
"""Look-ups by the time they took, in seconds, each rounded up to one of the server's bounds; inf: more than all."""
LookupLatencySource = Callable[[], Times | None]
"""Returns the times of look-ups since it was asked last, none the first time; None: nobody said anything."""

# Of so many pods the look-ups tell how all of them are.
_MAX_PODS: Final = 8
_LIMITS: Final = PodLimits(seconds=0.8, max_bytes=1 << 20)
# What a resolver says of a Service that selects no ready pod; it may also be away itself.
_NO_PODS: Final = (socket.EAI_NONAME, socket.EAI_NODATA)


class PodLookupTimes:
    """TimesSince of the EmbArk pods that a name resolves to, by HTTP on their second port; for one thread."""

    def __init__(self, host: str, port: int) -> None:
        self._host: Final = host
        self._port: Final = port
        self._known: dict[str, LookupTimes] = {}
        self._client = PodClient(port, _LIMITS)
        self._said = True
        self._log: Final = logging.getLogger(__name__)

    def __call__(self) -> Times | None:
        """Return the times since the last call; none where there is no pod, None where none answers."""
        try:
            addresses = self._resolve()
        except OSError:
            return None
        if not addresses:
            self._known = {}
            return Times()
        with ThreadPoolExecutor(_MAX_PODS) as pool:
            told = dict(zip(addresses, pool.map(self._ask, addresses), strict=True))
        answered = {address: times for address, times in told.items() if times}
        self._note(said=bool(answered))
        since = Times()
        for address, times in answered.items():
            since += times_between(self._known.get(address), times)
        self._known = answered
        return since if answered else None

    def _resolve(self) -> Sequence[str]:
        try:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            if error.errno in _NO_PODS:
                return []
            raise
        return sorted({str(address[0]) for *_, address in found})[:_MAX_PODS]

    def _ask(self, address: str) -> LookupTimes | None:
        try:
            return self._client.get_json(address, "/lookups", LookupTimes)
        except PodError:
            return None

    def _note(self, *, said: bool) -> None:
        if said is not self._said:
            self._said = said
            news = "tells" if said else "does not tell"
            self._log.warning("EmbArk at %s:%d %s how long look-ups take", self._host, self._port, news)


class OwnLookupTimes:
    """TimesSince of an EmbArk in this process; for one thread."""

    def __init__(self, ask: Callable[[], LookupTimes]) -> None:
        self._ask: Final = ask
        self._known: LookupTimes | None = None

    def __call__(self) -> Times:
        """Return the times since the last call."""
        before, self._known = self._known, self._ask()
        return times_between(before, self._known)


def times_between(before: LookupTimes | None, after: LookupTimes) -> Times:
    """Return the look-ups that one server counted between two answers; none where `before` is None or another's."""
    if before is None or before.seconds != after.seconds:
        return Times()
    counted = [late - early for early, late in zip(before.counts, after.counts, strict=True)]
    if min(counted) < 0:  # the server is a new one at the same address
        return Times()
    return Times({bound: count for bound, count in zip((*after.seconds, inf), counted, strict=True) if count})
