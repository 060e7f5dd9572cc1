"""Ranges, checkpoints and dropped spaces on a real Cassandra, beyond the contract of every store."""

from collections.abc import Iterator
from typing import Any

import pytest

from embark.errors import UnavailableError
from embark.settings import StoreSettings
from embark.store import RangeProgress, TokenRange, split_ring
from embark.store.cassandra.adapter import CassandraStore
from embark_testing.contracts.checkpoints import FIRST, begin
from embark_testing.contracts.ranges import WHOLE
from embark_testing.contracts.rows import PATIENT, SPACE, embedding
from embark_testing.fake_clock import FakeClock
from embark_testing.servers.cassandra_keyspaces import cql_session, store_settings
from embark_testing.servers.cassandra_server import CassandraServer

pytestmark = pytest.mark.integration
# Found by inverting the hash, as any client that chooses its keys can.
SHARED_TOKEN = 8864434636027447246
SHARING = {
    "https://example.org/key00000.jpg",
    "do5eyngoijopfg10c&V\\\x036T7Du\x17\x07}PdO",
    "6pl749ol8uhw7hyg$M{V1AkTpz|`RpR\x10",
    "he6cjt4ycyutsw6rMW\x06|Hcx\x08U\x1cwVKk*\x01",
    "l78au8rupx5lzziv\x1fZ\x0fs<a*K\x17'w9p[{ ",
    "i3dv8jakddsxm8hx\x17\x08P=K\x04,)~UY9\x0c\x17(N",
    "psnfiy3fzzvqmsuf\n\x1e\x1d\x1dP\x1ev\x0ftfEwR\x01Ou",
}


@pytest.fixture(scope="module")
def settings(cassandra: CassandraServer) -> StoreSettings:
    return store_settings(cassandra, "ranges")


@pytest.fixture
def store(settings: StoreSettings, clock: FakeClock) -> Iterator[CassandraStore]:
    store = CassandraStore(settings, clock)
    store.ensure_space(SPACE)
    store.checkpoints().drop(SPACE)
    yield store
    store.close()


@pytest.fixture
def cql(cassandra: CassandraServer) -> Iterator[Any]:
    with cql_session(cassandra) as session:
        yield session


@pytest.mark.parametrize("page", [1, 2, 3, 7, 8, 50])
def test_keys_chosen_to_share_a_token_are_all_scanned(store: CassandraStore, page: int) -> None:
    keys = SHARING | {f"key {i}" for i in range(40)}
    store.write(SPACE, [embedding(key, 1) for key in keys])
    seen: list[str] = []
    for found in store.scan_range(SPACE, WHOLE, page):
        assert len(found.rows) <= 2 * page
        seen += [row.key for row in found.rows]
        assert found.cursor < SHARED_TOKEN or set(seen) >= SHARING
    assert len(seen) == len(keys)
    assert set(seen) == keys
    at_it = TokenRange(SHARED_TOKEN - 1, SHARED_TOKEN)
    assert {row.key for found in store.scan_range(SPACE, at_it, page) for row in found.rows} == SHARING


def test_another_process_sees_a_checkpoint_at_once(
    store: CassandraStore, settings: StoreSettings, clock: FakeClock
) -> None:
    other = CassandraStore(settings, clock)
    begun = begin(store.checkpoints(), SPACE, FIRST)
    for cursor in range(FIRST.start + 1, FIRST.start + 20):
        assert store.checkpoints().save(SPACE, begun.advanced(cursor, done=1, failed=0))
        assert other.checkpoints().load(SPACE) == [RangeProgress(FIRST, cursor, 1)]
    other.checkpoints().drop(SPACE)
    other.close()
    assert not store.checkpoints().save(SPACE, RangeProgress(FIRST, FIRST.end))


def test_more_checkpoints_than_a_page_of_the_driver_are_all_loaded(
    store: CassandraStore, cql: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store._connection.session(10), "default_fetch_size", 3)
    parts = split_ring(8)
    for part in parts:
        begin(store.checkpoints(), SPACE, part)
    assert [progress.token_range for progress in store.checkpoints().load(SPACE)] == parts
    store.drop_space(SPACE)
    assert cql.execute("SELECT * FROM ranges.rollout_progress").all() == []


def test_ten_rollouts_leave_no_table_behind(store: CassandraStore, cql: Any) -> None:
    spaces = [f"{i:012x}" for i in range(10)]
    for space in spaces:
        store.ensure_space(space)
        begin(store.checkpoints(), space, FIRST)
        store.drop_space(space)
    tables = cql.execute("SELECT table_name FROM system_schema.tables WHERE keyspace_name = 'ranges'").all()
    assert sorted(tables) == [(f"embeddings_{SPACE}",), ("rollout_progress",)]


def test_a_dropped_space_is_unavailable_to_open_stores_until_it_is_created_again(
    store: CassandraStore, settings: StoreSettings, clock: FakeClock
) -> None:
    other = CassandraStore(settings, clock)
    other.write(SPACE, [embedding("key", 1)])
    scan = other.scan_range(SPACE, WHOLE, 1)
    store.drop_space(SPACE)
    with pytest.raises(UnavailableError, match="store"):
        other.read(SPACE, ["key"], PATIENT)
    with pytest.raises(UnavailableError, match="store"):
        next(scan)
    store.ensure_space(SPACE)
    assert other.read(SPACE, ["key"], PATIENT) == {}
    other.write(SPACE, [embedding("key", 1)])
    assert other.read(SPACE, ["key"], PATIENT) == {"key": embedding("key", 1)}
    assert [row.key for found in other.scan_range(SPACE, WHOLE) for row in found.rows] == ["key"]
    other.close()


def test_dropping_a_space_of_a_missing_keyspace_succeeds(cassandra: CassandraServer, clock: FakeClock) -> None:
    store = CassandraStore(store_settings(cassandra, "never_created"), clock)
    store.drop_space(SPACE)
    with pytest.raises(UnavailableError, match="the schema command creates"):
        begin(store.checkpoints(), SPACE, FIRST)
    store.close()
