"""Per-call context: the deadline, the trace and the caller's identity; whether the caller may call, and its quota."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

import grpc

from embark.clock import Micros
from embark.rates import TokenBucket
from embark.rpc.peers import TENANT, read_identities
from embark.rpc.tracing import TRACEPARENT
from embark.spec.identities import matcher
from embark.spec.tenants import DEFAULT_TENANT, Tenant

T = TypeVar("T")

# W3C Trace Context, section 3.2: version 00 has 55 characters; a longer one is of a later version, or hostile.
_MAX_TRACEPARENT: Final = 256
_DENIED: Final = "the identity of this client's certificate is not authorized (spec.tls.authorizedIdentities)"


class CallContext(Protocol):
    """The context of one call, independent of gRPC."""

    def remaining(self) -> float:
        """Return the seconds left until the caller's deadline; a very large number without one."""
        ...

    def headers(self) -> Mapping[str, bytes]:
        """Return the headers for records that this call produces."""
        ...

    def tenant(self) -> str:
        """Return the tenant that the caller claims; empty if it claims none."""
        ...

    def identities(self) -> tuple[str, ...]:
        """Return the names in the caller's certificate; empty without a certificate."""
        ...

    def wake_event(self) -> threading.Event:
        """Return an event that is set when the call ends before its answer; the same one each time."""
        ...


class GrpcCallContext:
    """The CallContext of a gRPC handler; reads from the gRPC context only when needed."""

    __slots__ = ("_context", "_wake")

    def __init__(self, context: grpc.ServicerContext) -> None:
        self._context = context
        self._wake: threading.Event | None = None

    def remaining(self) -> float:
        """See CallContext."""
        return float(self._context.time_remaining())

    def headers(self) -> Mapping[str, bytes]:
        """See CallContext: the caller's traceparent, if it sent one."""
        for name, value in self._context.invocation_metadata() or ():
            if name == TRACEPARENT and len(value) <= _MAX_TRACEPARENT:
                return {TRACEPARENT: value.encode() if isinstance(value, str) else bytes(value)}
        return {}

    def tenant(self) -> str:
        """See CallContext."""
        for name, value in self._context.invocation_metadata() or ():
            if name == TENANT:
                return value if isinstance(value, str) else value.decode(errors="replace")
        return ""

    def identities(self) -> tuple[str, ...]:
        """See CallContext."""
        return read_identities(self._context.auth_context())

    def wake_event(self) -> threading.Event:
        """See CallContext."""
        if self._wake is None:
            self._wake = threading.Event()
            if not self._context.add_callback(self._wake.set):
                self._wake.set()
        return self._wake


class Authorizer:
    """Admits callers with an identity that matches one of `patterns`; without patterns, all callers.

    `on_denied` is called for every other call.
    """

    def __init__(self, patterns: Sequence[str], on_denied: Callable[[], object]) -> None:
        self._patterns = tuple(patterns)
        self._matches = matcher(patterns)
        self._on_denied = on_denied

    def protect(self, behavior: Callable[[Any, grpc.ServicerContext], T]) -> Callable[[Any, grpc.ServicerContext], T]:
        """Return `behavior` for admitted callers; others get PERMISSION_DENIED and no data."""
        if not self._patterns:
            return behavior

        def protected(request: Any, context: grpc.ServicerContext) -> T:
            if not self._matches(read_identities(context.auth_context())):
                self._on_denied()
                context.abort(grpc.StatusCode.PERMISSION_DENIED, _DENIED)
            return behavior(request, context)

        return protected


class MissQuota:
    """The misses that a tenant may request fills for: `rate` per second and at most `burst` at once, full at first.

    `on_shed` is called with the number of misses beyond the quota.
    """

    def __init__(self, rate: int, burst: int, on_shed: Callable[[int], None]) -> None:
        self._bucket = TokenBucket(rate, burst)
        self._on_shed = on_shed

    def take(self, wanted: int, now: Micros) -> int:
        """Take up to `wanted` misses and return how many the quota allows at `now`."""
        taken = self._bucket.take_up_to(wanted, now)
        if taken < wanted:
            self._on_shed(wanted - taken)
        return taken


class TenantQuotas:
    """Finds the quota of a call.

    With `certified`, the client's certificate decides the tenant, and the tenant that the call claims is ignored.
    """

    def __init__(self, tenants: Sequence[Tenant], on_shed: Callable[[str, int], None], *, certified: bool) -> None:
        self._certified = certified
        self._quotas: Mapping[str, MissQuota] = {tenant.name: _build_quota(tenant, on_shed) for tenant in tenants}
        self._matchers = [(tenant.name, matcher(tenant.identities)) for tenant in tenants if tenant.identities]

    def find(self, call: CallContext) -> MissQuota | None:
        """Return the quota of the call's tenant, or of the default tenant; None for no limit."""
        if not self._quotas:
            return None
        return self._quotas.get(self._find_tenant(call)) or self._quotas.get(DEFAULT_TENANT)

    def _find_tenant(self, call: CallContext) -> str:
        if not self._certified:
            return call.tenant()
        identities = call.identities()
        return next((name for name, matches in self._matchers if matches(identities)), DEFAULT_TENANT)


def _build_quota(tenant: Tenant, on_shed: Callable[[str, int], None]) -> MissQuota:
    rate = tenant.misses_per_second
    return MissQuota(rate, tenant.burst or rate, lambda count: on_shed(tenant.name, count))
