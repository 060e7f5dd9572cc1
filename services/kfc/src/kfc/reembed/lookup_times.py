"""The latencies of the lookups of a cache, as its EmbArk servers report them."""

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
"""Number of lookups by latency in seconds, rounded up to one of the server's bounds; inf: more than all of them."""
LookupLatencySource = Callable[[], Times | None]
"""Returns the latencies since the last call, none at the first call; None: no server reported them."""

# The latencies of that many pods are representative.
_MAX_PODS: Final = 8
_LIMITS: Final = PodLimits(seconds=0.8, max_bytes=1 << 20)
# A resolver reports these for a Service that selects no ready pod; other errors are outages of the resolver.
_NO_PODS: Final = (socket.EAI_NONAME, socket.EAI_NODATA)


class PodLookupTimes:
    """LookupLatencySource of the EmbArk pods that a name resolves to; used by one thread."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._known: dict[str, LookupTimes] = {}
        self._client = PodClient(port, _LIMITS)
        self._answers = True
        self._log = logging.getLogger(__name__)

    def __call__(self) -> Times | None:
        """Return the latencies since the last call; none if there is no pod, None if no pod answers."""
        try:
            addresses = self._resolve()
        except OSError:
            return None
        if not addresses:
            self._known = {}
            return Times()
        with ThreadPoolExecutor(_MAX_PODS) as pool:
            replies = dict(zip(addresses, pool.map(self._read, addresses), strict=True))
        answered = {address: times for address, times in replies.items() if times}
        self._log_change(answers=bool(answered))
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

    def _read(self, address: str) -> LookupTimes | None:
        try:
            return self._client.get_json(address, "/lookups", LookupTimes)
        except PodError:
            return None

    def _log_change(self, *, answers: bool) -> None:
        if answers is not self._answers:
            self._answers = answers
            change = "reports" if answers else "does not report"
            self._log.warning("EmbArk at %s:%d %s its lookup latencies", self._host, self._port, change)


class OwnLookupTimes:
    """LookupLatencySource of an EmbArk in this process; used by one thread."""

    def __init__(self, read: Callable[[], LookupTimes]) -> None:
        self._read = read
        self._known: LookupTimes | None = None

    def __call__(self) -> Times:
        """Return the latencies since the last call."""
        before, self._known = self._known, self._read()
        return times_between(before, self._known)


def times_between(before: LookupTimes | None, after: LookupTimes) -> Times:
    """Return what a server counted between two replies; none if `before` is None or another server's."""
    if before is None or before.seconds != after.seconds:
        return Times()
    counted = [late - early for early, late in zip(before.counts, after.counts, strict=True)]
    if min(counted) < 0:  # another server has the address now
        return Times()
    return Times({bound: count for bound, count in zip((*after.seconds, inf), counted, strict=True) if count})
