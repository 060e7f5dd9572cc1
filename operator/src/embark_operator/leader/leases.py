"""The lease that makes one operator of several the active one, and the fence that keeps a former one from writing.

The rule is that of the Kubernetes components (client-go's leaderelection): a lease that has not been renewed for its
duration, by the watcher's own clock, may be taken. The holder stops writing earlier than that: RENEW_SECONDS after it
*began* its last renewal that succeeded. One write takes at most REQUEST_SECONDS, so even one begun at the last moment
is over before another operator may hold the lease: RENEW_SECONDS + REQUEST_SECONDS <= LEASE_SECONDS.
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
    """This operator does not hold the lease any more; it must not write."""


class Leases(Protocol):
    """Where the lease is kept."""

    def read(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """Return it, or None if there is none."""
        ...

    def create(self, manifest: Manifest) -> Manifest:
        """Make it; ConflictError: somebody else has."""
        ...

    def replace(self, manifest: Manifest) -> Manifest:
        """Replace it; ConflictError: it has changed since it was read."""
        ...


@dataclass(slots=True)
class _Seen:
    version: str
    at: float


class Lease:
    """One operator's hold on the lease; `renew` is called by one thread, `check` by any."""

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
        self._leases: Final = leases
        self._namespace: Final = namespace
        self._name: Final = name
        self._identity: Final = identity
        self._monotonic: Final = monotonic
        self._utc: Final = utc
        self._held_until = float("-inf")
        self._seen = _Seen("", float("-inf"))

    @property
    def held(self) -> bool:
        """Whether this operator may write now."""
        return self._monotonic() < self._held_until

    def check(self) -> None:
        """Raise NotLeaderError unless this operator may write now."""
        if not self.held:
            raise NotLeaderError(f"the lease {self._namespace}/{self._name} is not held by {self._identity} any more")

    def renew(self) -> bool:
        """Take or keep the lease if that is possible; return whether it is held."""
        begun = self._monotonic()
        try:
            taken = self._take(begun)
        except (ApiRefusedError, UnavailableError):
            return self.held
        if taken:
            self._held_until = begun + RENEW_SECONDS
        return taken

    def release(self) -> None:
        """Give the lease up, so that another operator need not wait for its end; harmless when it is not held."""
        self._held_until = float("-inf")
        try:
            lease = self._leases.read(LEASE, self._namespace, self._name)
            if lease and lease["spec"].get("holderIdentity") == self._identity:
                self._leases.replace(lease | {"spec": lease["spec"] | {"holderIdentity": ""}})
        except (ApiRefusedError, UnavailableError):
            return  # it ends by itself

    def _take(self, now: float) -> bool:
        lease = self._leases.read(LEASE, self._namespace, self._name)
        if lease is None:
            self._leases.create(self._of(None))
            return True
        holder = lease["spec"].get("holderIdentity", "")
        if holder not in ("", self._identity) and self._alive(lease["metadata"]["resourceVersion"], now):
            self._held_until = float("-inf")
            return False
        self._leases.replace(self._of(lease))
        return True

    def _alive(self, version: str, now: float) -> bool:
        """Whether the holder has renewed within the duration, as far as this process has seen."""
        if version != self._seen.version:
            self._seen = _Seen(version, now)
        return now - self._seen.at < LEASE_SECONDS

    def _of(self, lease: Manifest | None) -> Manifest:
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
