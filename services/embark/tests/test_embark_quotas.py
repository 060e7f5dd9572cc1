"""Tenants: what one asks for too often is shed, and no other notices."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from embark.client import EmbArkClient, KeyStatus
from embark.spec.identities import matcher
from embark.v1 import embark_pb2 as pb
from embark_server.calls import MissQuota
from embark_testing.embark.harness import Harness, embark_settings, read_statuses, running, vector

ADS = {"name": "ads", "missesPerSecond": 10}
FEED = {"name": "feed", "missesPerSecond": 1000}


def bench_settings(*tenants: dict[str, Any]) -> Any:
    return embark_settings(tenants=list(tenants))  # type: ignore[arg-type] # a list, not a section


def asked(harness: Harness, tenant: str, keys: list[str]) -> Counter[KeyStatus]:
    with EmbArkClient(harness.target, timeout=30, tenant=tenant) as client:
        return Counter(KeyStatus(status) for status in client.lookup(keys).statuses)


def keys_of(name: str, count: int) -> list[str]:
    return [f"{name}{number}" for number in range(count)]


def test_a_tenant_over_its_quota_is_shed_while_every_miss_of_another_is_asked_for() -> None:
    with running(bench_settings(ADS, FEED)) as harness:
        assert asked(harness, "ads", keys_of("a", 50)) == {KeyStatus.OOV_ENQUEUED: 10, KeyStatus.SHED: 40}
        assert asked(harness, "feed", keys_of("f", 500)) == {KeyStatus.OOV_ENQUEUED: 500}
        assert asked(harness, "ads", keys_of("b", 5)) == {KeyStatus.SHED: 5}
        assert harness.counted("embark_tenant_shed_total", tenant="ads") == 45
        assert harness.counted("embark_tenant_shed_total", tenant="feed") == 0


def test_a_quota_fills_up_with_time_and_never_over_its_burst() -> None:
    with running(bench_settings(ADS | {"burst": 20})) as harness:
        assert asked(harness, "ads", keys_of("a", 30))[KeyStatus.OOV_ENQUEUED] == 20
        harness.clock.advance(timedelta(milliseconds=500))
        assert asked(harness, "ads", keys_of("b", 30))[KeyStatus.OOV_ENQUEUED] == 5
        harness.clock.advance(timedelta(hours=1))
        assert asked(harness, "ads", keys_of("c", 30))[KeyStatus.OOV_ENQUEUED] == 20


def test_hits_and_keys_asked_for_already_cost_nothing_of_a_quota() -> None:
    with running(bench_settings(ADS | {"burst": 1}), rows={"k": vector(1)}) as harness:
        assert asked(harness, "feed", ["m"]) == {KeyStatus.OOV_ENQUEUED: 1}
        assert asked(harness, "ads", ["k", "m"]) == {KeyStatus.HIT: 1, KeyStatus.OOV_PENDING: 1}
        assert asked(harness, "ads", ["n"]) == {KeyStatus.OOV_ENQUEUED: 1}
        assert asked(harness, "ads", ["o", "k"]) == {KeyStatus.SHED: 1, KeyStatus.HIT: 1}


def test_a_key_that_one_tenant_was_shed_for_is_asked_for_by_another() -> None:
    with running(bench_settings(ADS | {"burst": 1})) as harness:
        assert asked(harness, "ads", ["a", "b"]) == {KeyStatus.OOV_ENQUEUED: 1, KeyStatus.SHED: 1}
        assert asked(harness, "feed", ["b"]) == {KeyStatus.OOV_ENQUEUED: 1}


@pytest.mark.parametrize("tenant", ["", "nobody", "default"])
def test_a_call_of_no_named_tenant_has_the_quota_of_default_if_there_is_one(tenant: str) -> None:
    with running(bench_settings(ADS)) as harness:
        assert asked(harness, tenant, keys_of("a", 50)) == {KeyStatus.OOV_ENQUEUED: 50}
    with running(bench_settings(ADS, {"name": "default", "missesPerSecond": 3})) as harness:
        assert asked(harness, tenant, keys_of("a", 50)) == {KeyStatus.OOV_ENQUEUED: 3, KeyStatus.SHED: 47}


def test_prefetch_and_invalidate_are_within_the_quota_too() -> None:
    with running(bench_settings(ADS)) as harness:
        metadata = (("embark-tenant", "ads"),)
        keys = [key.encode() for key in keys_of("a", 8)]
        found = harness.stub.Prefetch(pb.PrefetchRequest(keys=keys), metadata=metadata, timeout=30)
        assert Counter(read_statuses(found)) == {KeyStatus.OOV_ENQUEUED: 8}
        asked_anew = harness.stub.Invalidate(pb.InvalidateRequest(keys=keys), metadata=metadata, timeout=30)
        assert Counter(read_statuses(asked_anew)) == {KeyStatus.OOV_ENQUEUED: 2, KeyStatus.SHED: 6}


def test_without_tenants_there_is_neither_a_quota_nor_a_metric_of_it() -> None:
    with running() as harness:
        assert asked(harness, "ads", keys_of("a", 500)) == {KeyStatus.OOV_ENQUEUED: 500}
        assert not [metric for metric in harness.registry.collect() if "tenant" in metric.name]


def test_a_clock_that_is_set_back_neither_fills_nor_stops_a_quota() -> None:
    shed: list[int] = []
    quota = MissQuota(10, 10, shed.append)
    assert quota.take(10, 5_000_000) == 10
    assert quota.take(1, 1_000_000) == 0
    assert quota.take(5, 1_300_000) == 3
    assert shed == [1, 2]


@pytest.mark.parametrize(
    ("patterns", "identity", "matched"),
    [
        (("spiffe://d/ns/ads/sa/*",), "spiffe://d/ns/ads/sa/ranker", True),
        (("spiffe://d/ns/ads/sa/*",), "spiffe://d/ns/ads/sa/x/y", False),
        (("spiffe://d/ns/ads/sa/r",), "spiffe://d/ns/ads/sa/rr", False),
        (("a.b",), "axb", False),
        (("a.b", "c"), "c", True),
        (("a", "b"), "ab", False),
        ((), "", False),
    ],
)
def test_a_pattern_is_of_whole_identities_and_a_star_of_no_slash(
    patterns: tuple[str, ...], identity: str, *, matched: bool
) -> None:
    assert matcher(patterns)([identity]) is matched
