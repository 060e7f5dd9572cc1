"""The hot tier stays within its bytes and times, and keeps nothing past an invalidation."""

from typing import NoReturn

import pytest

from embark.causes import Cause, CauseKind
from embark_server.hot_tier import ENTRY_OVERHEAD, LruHotTier

TTL = 1_000


def keep(tier: LruHotTier, now: int, **rows: bytes) -> None:
    tier.put_many({key.encode(): (row, None) for key, row in rows.items()}, now, tier.epoch)


def test_rows_are_returned_in_the_order_of_the_keys_with_none_for_misses() -> None:
    tier = LruHotTier(10_000, TTL)
    keep(tier, 0, a=b"A", b=b"B")
    assert tier.get_many([b"b", b"x", b"a", b"b"], 1) == [b"B", None, b"A", b"B"]


def test_a_row_is_served_until_its_ttl_has_passed() -> None:
    tier = LruHotTier(10_000, TTL)
    keep(tier, 0, a=b"A")
    assert tier.get_many([b"a"], TTL - 1) == [b"A"]
    assert tier.get_many([b"a"], TTL) == [None]


def test_a_row_is_never_served_past_its_own_expiry() -> None:
    tier = LruHotTier(10_000, TTL)
    tier.put_many({b"a": (b"A", 10)}, 0, tier.epoch)
    assert tier.get_many([b"a"], 9) == [b"A"]
    assert tier.get_many([b"a"], 10) == [None]


def test_bytes_stay_within_the_limit_and_the_least_recently_used_row_is_evicted_first() -> None:
    cost = ENTRY_OVERHEAD + 1 + 100
    tier = LruHotTier(2 * cost, TTL)
    keep(tier, 0, a=bytes(100), b=bytes(100))
    assert tier.get_many([b"a"], 1) == [bytes(100)]
    keep(tier, 1, c=bytes(100))
    assert tier.get_many([b"a", b"b", b"c"], 2) == [bytes(100), None, bytes(100)]
    assert tier.nbytes == 2 * cost


def test_bytes_are_released_when_rows_are_replaced_and_dropped() -> None:
    tier = LruHotTier(10_000, TTL)
    keep(tier, 0, a=bytes(100))
    keep(tier, 0, a=bytes(50), b=bytes(7))
    assert tier.nbytes == 2 * (ENTRY_OVERHEAD + 1) + 57
    tier.drop_many([b"a", b"b", b"absent"])
    assert (tier.nbytes, len(tier)) == (0, 0)


def test_a_row_larger_than_the_tier_is_not_kept_and_evicts_nothing() -> None:
    tier = LruHotTier(1_000, TTL)
    keep(tier, 0, a=b"A")
    keep(tier, 0, big=bytes(2_000))
    assert tier.get_many([b"a", b"big"], 1) == [b"A", None]


def test_a_disabled_tier_keeps_nothing() -> None:
    tier = LruHotTier(0, TTL)
    keep(tier, 0, a=b"A")
    assert tier.get_many([b"a"], 0) == [None]


def test_a_disabled_tier_does_not_iterate_over_its_input() -> None:
    class Unread(dict[bytes, tuple[bytes, None]]):
        def items(self) -> NoReturn:
            raise AssertionError("iterated")

    LruHotTier(0, TTL).put_many(Unread(), 0, 0)
    with pytest.raises(AssertionError):
        LruHotTier(1, TTL).put_many(Unread(), 0, 0)


def test_a_row_read_before_an_invalidation_is_not_kept_after_it() -> None:
    tier = LruHotTier(10_000, TTL)
    epoch = tier.epoch
    tier.drop_many([b"a"])
    tier.put_many({b"a": (b"old", None)}, 0, epoch)
    assert tier.get_many([b"a"], 1) == [None]


def test_negatives_are_kept_like_rows() -> None:
    tier = LruHotTier(10_000, TTL)
    cause = Cause(CauseKind.NOT_FOUND, "404")
    tier.put_many({b"a": (cause, 500)}, 0, tier.epoch)
    assert tier.get_many([b"a"], 499) == [cause]
