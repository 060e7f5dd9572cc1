"""Tenants' quotas of misses: whose a call is, and how many of its misses may be asked for; look-ups and changes ask."""

from collections.abc import Callable, Mapping, Sequence

from embark.clock import Micros
from embark.rates import TokenBucket
from embark.spec.identities import matcher
from embark.spec.tenants import DEFAULT_TENANT, Tenant
from embark_server.calls import Call


class Quota:
    """The misses that a tenant may request fills for: `rate` a second, `burst` at once; full at first.

    `shed` is called with how many misses were not allowed.
    """

    def __init__(self, rate: int, burst: int, shed: Callable[[int], None]) -> None:
        self._bucket = TokenBucket(rate, burst)
        self._shed = shed

    def take(self, wanted: int, now: Micros) -> int:
        """Take as many of `wanted` misses as the quota allows; return how many."""
        taken = self._bucket.take_up_to(wanted, now)
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
