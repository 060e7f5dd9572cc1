"""Quotas of misses: the excess of one tenant is shed, and no other tenant is affected."""

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


def tenant_settings(*tenants: dict[str, Any]) -> Any:
    return embark_settings(tenants=list(tenants))  # type: ignore[arg-type] # a list, not a section


def look_up(harness: Harness, tenant: str, keys: list[str]) -> Counter[KeyStatus]:
    with EmbArkClient(harness.target, timeout=30, tenant=tenant) as client:
        return Counter(KeyStatus(status) for status in client.lookup(keys).statuses)


def make_keys(name: str, count: int) -> list[str]:
    return [f"{name}{number}" for number in range(count)]


def test_a_tenant_beyond_its_quota_is_shed_while_every_miss_of_another_is_enqueued() -> None:
    with running(tenant_settings(ADS, FEED)) as harness:
        assert look_up(harness, "ads", make_keys("a", 50)) == {KeyStatus.OOV_ENQUEUED: 10, KeyStatus.SHED: 40}
        assert look_up(harness, "feed", make_keys("f", 500)) == {KeyStatus.OOV_ENQUEUED: 500}
        assert look_up(harness, "ads", make_keys("b", 5)) == {KeyStatus.SHED: 5}
        assert harness.counted("embark_tenant_shed_total", tenant="ads") == 45
        assert harness.counted("embark_tenant_shed_total", tenant="feed") == 0


def test_a_quota_refills_over_time_up_to_its_burst() -> None:
    with running(tenant_settings(ADS | {"burst": 20})) as harness:
        assert look_up(harness, "ads", make_keys("a", 30))[KeyStatus.OOV_ENQUEUED] == 20
        harness.clock.advance(timedelta(milliseconds=500))
        assert look_up(harness, "ads", make_keys("b", 30))[KeyStatus.OOV_ENQUEUED] == 5
        harness.clock.advance(timedelta(hours=1))
        assert look_up(harness, "ads", make_keys("c", 30))[KeyStatus.OOV_ENQUEUED] == 20


def test_hits_and_pending_keys_are_not_charged_to_a_quota() -> None:
    with running(tenant_settings(ADS | {"burst": 1}), rows={"k": vector(1)}) as harness:
        assert look_up(harness, "feed", ["m"]) == {KeyStatus.OOV_ENQUEUED: 1}
        assert look_up(harness, "ads", ["k", "m"]) == {KeyStatus.HIT: 1, KeyStatus.OOV_PENDING: 1}
        assert look_up(harness, "ads", ["n"]) == {KeyStatus.OOV_ENQUEUED: 1}
        assert look_up(harness, "ads", ["o", "k"]) == {KeyStatus.SHED: 1, KeyStatus.HIT: 1}


def test_a_key_shed_for_one_tenant_is_enqueued_for_another() -> None:
    with running(tenant_settings(ADS | {"burst": 1})) as harness:
        assert look_up(harness, "ads", ["a", "b"]) == {KeyStatus.OOV_ENQUEUED: 1, KeyStatus.SHED: 1}
        assert look_up(harness, "feed", ["b"]) == {KeyStatus.OOV_ENQUEUED: 1}


@pytest.mark.parametrize("tenant", ["", "unlisted", "default"])
def test_a_call_of_an_unlisted_tenant_has_the_default_quota_if_there_is_one(tenant: str) -> None:
    with running(tenant_settings(ADS)) as harness:
        assert look_up(harness, tenant, make_keys("a", 50)) == {KeyStatus.OOV_ENQUEUED: 50}
    with running(tenant_settings(ADS, {"name": "default", "missesPerSecond": 3})) as harness:
        assert look_up(harness, tenant, make_keys("a", 50)) == {KeyStatus.OOV_ENQUEUED: 3, KeyStatus.SHED: 47}


def test_prefetch_and_invalidate_are_charged_to_the_quota_too() -> None:
    with running(tenant_settings(ADS)) as harness:
        metadata = (("embark-tenant", "ads"),)
        keys = [key.encode() for key in make_keys("a", 8)]
        found = harness.stub.Prefetch(pb.PrefetchRequest(keys=keys), metadata=metadata, timeout=30)
        assert Counter(read_statuses(found)) == {KeyStatus.OOV_ENQUEUED: 8}
        invalidated = harness.stub.Invalidate(pb.InvalidateRequest(keys=keys), metadata=metadata, timeout=30)
        assert Counter(read_statuses(invalidated)) == {KeyStatus.OOV_ENQUEUED: 2, KeyStatus.SHED: 6}


def test_without_tenants_there_is_no_quota_and_no_metric_of_tenants() -> None:
    with running() as harness:
        assert look_up(harness, "ads", make_keys("a", 500)) == {KeyStatus.OOV_ENQUEUED: 500}
        assert not [metric for metric in harness.registry.collect() if "tenant" in metric.name]


def test_a_clock_that_is_set_back_neither_refills_nor_blocks_a_quota() -> None:
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
def test_a_pattern_matches_whole_identities_and_a_star_no_slash(
    patterns: tuple[str, ...], identity: str, *, matched: bool
) -> None:
    assert matcher(patterns)([identity]) is matched
