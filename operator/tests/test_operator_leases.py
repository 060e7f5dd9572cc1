from datetime import UTC, datetime

import pytest

from embark.errors import UnavailableError
from embark_operator.cluster.kinds import CONFIG_MAP, LEASE, Kind
from embark_operator.cluster.kubernetes import REQUEST_SECONDS
from embark_operator.leader.fences import FencedCluster
from embark_operator.leader.leases import LEASE_SECONDS, RENEW_SECONDS, Lease, NotLeaderError
from embark_operator.names import Manifest
from embark_testing.worlds.memory_cluster import MemoryCluster


class Watch:
    """A monotonic clock that tests set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Unreachable(MemoryCluster):
    def read(self, kind: Kind, namespace: str, name: str) -> Manifest | None:  # noqa: ARG002
        raise UnavailableError("kubernetes", "no answer")


def build_lease(cluster: MemoryCluster, identity: str, watch: Watch) -> Lease:
    when = datetime(2026, 1, 1, tzinfo=UTC)
    return Lease(cluster, "embark", "operator", identity, monotonic=watch, utc=lambda: when)


def test_only_one_of_two_operators_holds_the_lease() -> None:
    cluster, watch = MemoryCluster(), Watch()
    first, second = build_lease(cluster, "first", watch), build_lease(cluster, "second", watch)
    assert first.renew()
    assert not second.renew()
    assert (first.held, second.held) == (True, False)


def test_a_lease_that_is_not_renewed_is_taken_after_its_duration_and_not_before() -> None:
    cluster, watch = MemoryCluster(), Watch()
    first, second = build_lease(cluster, "first", watch), build_lease(cluster, "second", watch)
    assert first.renew()
    assert not second.renew()
    watch.now += LEASE_SECONDS - 0.1
    assert not second.renew()
    watch.now += 0.1
    assert second.renew()


def test_a_lease_that_is_renewed_is_never_taken() -> None:
    cluster, watch = MemoryCluster(), Watch()
    first, second = build_lease(cluster, "first", watch), build_lease(cluster, "second", watch)
    for _ in range(10):
        assert first.renew()
        assert not second.renew()
        watch.now += LEASE_SECONDS - 1


def test_the_holder_stops_writing_before_another_may_take_the_lease() -> None:
    assert RENEW_SECONDS + REQUEST_SECONDS <= LEASE_SECONDS
    cluster, watch = MemoryCluster(), Watch()
    lease = build_lease(cluster, "first", watch)
    lease.renew()
    fenced = FencedCluster(cluster, lease.check, lambda _verb, _kind: None)
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "b"}}
    fenced.apply(manifest)
    watch.now += RENEW_SECONDS
    with pytest.raises(NotLeaderError):
        fenced.apply(manifest)
    with pytest.raises(NotLeaderError):
        fenced.delete(CONFIG_MAP, "b", "a", "uid")
    assert cluster.writes == ["create Lease operator", "apply ConfigMap a"]


def test_a_holder_that_cannot_reach_the_server_loses_the_lease_in_time() -> None:
    cluster, watch = MemoryCluster(), Watch()
    lease = build_lease(cluster, "first", watch)
    lease.renew()
    lease._leases = Unreachable()
    watch.now += RENEW_SECONDS - 0.1
    assert lease.renew()
    watch.now += 0.1
    assert not lease.renew()


def test_a_released_lease_is_taken_at_once_and_counts_the_transition() -> None:
    cluster, watch = MemoryCluster(), Watch()
    first, second = build_lease(cluster, "first", watch), build_lease(cluster, "second", watch)
    first.renew()
    first.release()
    assert not first.held
    assert second.renew()
    body = cluster.read(LEASE, "embark", "operator")
    assert body is not None
    assert (body["spec"]["holderIdentity"], body["spec"]["leaseTransitions"]) == ("second", 1)


def test_releasing_a_lease_that_another_operator_holds_changes_nothing() -> None:
    cluster, watch = MemoryCluster(), Watch()
    first, second = build_lease(cluster, "first", watch), build_lease(cluster, "second", watch)
    first.renew()
    second.release()
    assert first.renew()
