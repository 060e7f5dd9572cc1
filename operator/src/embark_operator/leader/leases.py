"""The lease that makes one of several operators active, and that keeps a former holder from writing.

The rule is that of the Kubernetes components (client-go's leaderelection): a lease that was not renewed for its
duration, by the watcher's own clock, may be taken. The holder stops writing earlier: RENEW_SECONDS after the *start* of
its last successful renewal. A write takes at most REQUEST_SECONDS, so even one started at the last moment is complete
before another operator can hold the lease: RENEW_SECONDS + REQUEST_SECONDS <= LEASE_SECONDS.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from embark.errors import EmbArkError, UnavailableError
from embark_operator.cluster.kinds import LEASE, Kind
from embark_operator.cluster.protocol import ApiRefusedError
from embark_operator.names import Manifest

LEASE_SECONDS: Final = 15.0
RENEW_SECONDS: Final = 10.0
RETRY_SECONDS: Final = 2.0


class NotLeaderError(EmbArkError):
    """This operator no longer holds the lease, and must not write."""


class Leases(Protocol):
    """Stores the lease."""

    def read(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """Return the lease, or None if it does not exist."""
        ...

    def create(self, manifest: Manifest) -> Manifest:
        """Create the lease; raises ConflictError if it exists."""
        ...

    def replace(self, manifest: Manifest) -> Manifest:
        """Replace the lease; raises ConflictError if it was changed since it was read."""
        ...


@dataclass(slots=True)
class _Observation:
    version: str
    at: float


class Lease:
    """One operator's hold on the lease; call `renew` from one thread, `check` from any."""

    def __init__(
        self,
        leases: Leases,
        namespace: str,
        name: str,
        identity: str,
        *,
        monotonic: Callable[[], float],
        utc: Callable[[], datetime],
    ) -> None:
        self._leases = leases
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._monotonic = monotonic
        self._utc = utc
        self._held_until = float("-inf")
        self._observed = _Observation("", float("-inf"))

    @property
    def held(self) -> bool:
        """Whether this operator may write now."""
        return self._monotonic() < self._held_until

    def check(self) -> None:
        """Raise NotLeaderError unless this operator may write now."""
        if not self.held:
            raise NotLeaderError(f"the lease {self._namespace}/{self._name} is no longer held by {self._identity}")

    def renew(self) -> bool:
        """Acquire or renew the lease if possible; return whether it is held."""
        started = self._monotonic()
        try:
            acquired = self._acquire(started)
        except (ApiRefusedError, UnavailableError):
            return self.held
        if acquired:
            self._held_until = started + RENEW_SECONDS
        return acquired

    def release(self) -> None:
        """Release the lease if it is held, so that another operator need not wait until it expires."""
        self._held_until = float("-inf")
        try:
            lease = self._leases.read(LEASE, self._namespace, self._name)
            if lease and lease["spec"].get("holderIdentity") == self._identity:
                self._leases.replace(lease | {"spec": lease["spec"] | {"holderIdentity": ""}})
        except (ApiRefusedError, UnavailableError):
            return  # it expires by itself

    def _acquire(self, now: float) -> bool:
        lease = self._leases.read(LEASE, self._namespace, self._name)
        if lease is None:
            self._leases.create(self._build(None))
            return True
        holder = lease["spec"].get("holderIdentity", "")
        if holder not in ("", self._identity) and self._is_alive(lease["metadata"]["resourceVersion"], now):
            self._held_until = float("-inf")
            return False
        self._leases.replace(self._build(lease))
        return True

    def _is_alive(self, version: str, now: float) -> bool:
        """Return whether the holder has renewed within the duration, as far as this process has observed."""
        if version != self._observed.version:
            self._observed = _Observation(version, now)
        return now - self._observed.at < LEASE_SECONDS

    def _build(self, lease: Manifest | None) -> Manifest:
        stamp = self._utc().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        old = (lease or {}).get("spec", {})
        mine = old.get("holderIdentity") == self._identity
        spec = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": int(LEASE_SECONDS),
            "acquireTime": old.get("acquireTime", stamp) if mine else stamp,
            "renewTime": stamp,
            "leaseTransitions": old.get("leaseTransitions", 0) + (0 if mine or not lease else 1),
        }
        metadata = lease["metadata"] if lease else {"name": self._name, "namespace": self._namespace}
        return {"apiVersion": LEASE.api_version, "kind": LEASE.name, "metadata": metadata, "spec": spec}
