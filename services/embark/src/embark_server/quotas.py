"""Tenants' quotas of misses: whose a call is, and how many of its misses may be asked for; look-ups and changes ask."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from embark.clock import Micros
from embark.spec.identities import matcher
from embark.spec.tenants import DEFAULT_TENANT, Tenant
from embark_server.calls import Call

_SECOND: Final[Micros] = 1_000_000


class Quota:
    """A token bucket: `rate` misses a second, `burst` at once; full at first. Time is passed in, in microseconds.

    `shed` is told how many misses were not allowed.
    """

    def __init__(self, rate: int, burst: int, shed: Callable[[int], None]) -> None:
        self._rate = rate
        self._burst = burst
        self._shed = shed
        self._lock = threading.Lock()
        # In millionths of a miss, so that no time is lost to rounding.
        self._left = burst * _SECOND
        self._at: Micros | None = None

    def take(self, wanted: int, now: Micros) -> int:
        """Take as many of `wanted` misses as there is room for, and return how many."""
        with self._lock:
            # A clock that was set back gives nothing, and takes nothing.
            passed = max(0, now - self._at) if self._at is not None else 0
            self._at = now
            self._left = min(self._burst * _SECOND, self._left + passed * self._rate)
            taken = min(wanted, self._left // _SECOND)
            self._left -= taken * _SECOND
        if taken < wanted:
            self._shed(wanted - taken)
        return taken


class Quotas:
    """Finds the quota of a call; `certified`: clients prove who they are, and what else they say of it is not heard."""

    def __init__(self, tenants: Sequence[Tenant], shed: Callable[[str, int], None], *, certified: bool) -> None:
        self._certified = certified
        self._quotas: Mapping[str, Quota] = {tenant.name: _quota(tenant, shed) for tenant in tenants}
        self._matchers = [(tenant.name, matcher(tenant.identities)) for tenant in tenants if tenant.identities]

    def of(self, call: Call) -> Quota | None:
        """Return the quota of a call's tenant; None: it has none."""
        if not self._quotas:
            return None
        return self._quotas.get(self._tenant(call)) or self._quotas.get(DEFAULT_TENANT)

    def _tenant(self, call: Call) -> str:
        if not self._certified:
            return call.tenant()
        identities = call.identities()
        return next((name for name, matches in self._matchers if matches(identities)), DEFAULT_TENANT)


def _quota(tenant: Tenant, shed: Callable[[str, int], None]) -> Quota:
    rate = tenant.misses_per_second
    return Quota(rate, tenant.burst or rate, lambda count: shed(tenant.name, count))
