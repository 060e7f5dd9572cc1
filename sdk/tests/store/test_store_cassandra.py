from collections.abc import Iterator
from typing import Any

import pytest

from embark.errors import UnavailableError
from embark.settings import StoreSettings
from embark.store import EmbeddingStore, Row
from embark.store.cassandra.adapter import CassandraLimits, CassandraStore
from embark_testing.contracts.checkpoints import CheckpointsContract
from embark_testing.contracts.ranges import RangesContract
from embark_testing.contracts.rows import OTHER_SPACE, PATIENT, SPACE, embedding, negative, read_one, scanned
from embark_testing.contracts.store import StoreContract
from embark_testing.fake_clock import FakeClock
from embark_testing.servers.cassandra_keyspaces import cql_session, store_settings
from embark_testing.servers.cassandra_server import CassandraServer

pytestmark = pytest.mark.integration
TABLE = f"contract.embeddings_{SPACE}"


@pytest.fixture(scope="module")
def settings(cassandra: CassandraServer) -> StoreSettings:
    return store_settings(cassandra, "contract")


@pytest.fixture(scope="module")
def cql(cassandra: CassandraServer, settings: StoreSettings) -> Iterator[Any]:
    """A plain CQL session; creates the tables of both spaces once."""
    store = CassandraStore(settings, FakeClock())
    store.ensure_space(SPACE)
    store.ensure_space(OTHER_SPACE)
    store.close()
    with cql_session(cassandra) as session:
        # TRUNCATE would otherwise flush to the disk first, before every test.
        session.execute(
            "ALTER KEYSPACE contract WITH replication = {'class': 'NetworkTopologyStrategy', 'datacenter1': 1}"
            " AND durable_writes = false"
        )
        yield session


@pytest.fixture
def store(settings: StoreSettings, cql: Any, clock: FakeClock) -> Iterator[EmbeddingStore]:
    for space in (SPACE, OTHER_SPACE):
        cql.execute(f"TRUNCATE contract.embeddings_{space}")
    store = CassandraStore(settings, clock)
    yield store
    store.close()


class TestCassandraStore(StoreContract, RangesContract, CheckpointsContract):
    """The contract on a real Cassandra."""

    last_of_equals_wins = False


@pytest.mark.xfail(strict=True, reason="of two equal timestamps Cassandra keeps the greater value")
def test_of_equal_writes_the_last_to_arrive_wins(store: EmbeddingStore) -> None:
    store.write(SPACE, [embedding("key", 5, b"2222")])
    store.write(SPACE, [embedding("key", 5, b"1111")])
    assert read_one(store, "key") == embedding("key", 5, b"1111")


@pytest.mark.parametrize("embedding_first", [True, False])
@pytest.mark.parametrize("embedding_expires", [True, False])
def test_a_negative_wins_entirely_over_an_equal_embedding(
    store: EmbeddingStore, clock: FakeClock, *, embedding_first: bool, embedding_expires: bool
) -> None:
    later = clock.at + 1_000_000
    rows: list[Row] = [embedding("key", 5, b"2222", later if embedding_expires else None), negative("key", 5, later)]
    for row in rows if embedding_first else rows[::-1]:
        store.write(SPACE, [row])
    assert read_one(store, "key") == negative("key", 5, later)


def test_an_embedding_without_ttl_never_inherits_the_expiry_of_an_earlier_row(
    store: EmbeddingStore, clock: FakeClock
) -> None:
    store.write(SPACE, [negative("n", 5, clock.at + 9), embedding("e", 5, expires_at=clock.at + 9)])
    store.write(SPACE, [embedding("n", 6), embedding("e", 6)])
    assert store.read(SPACE, ["n", "e"], PATIENT) == {"n": embedding("n", 6), "e": embedding("e", 6)}


def test_cassandra_frees_an_expired_row_and_keeps_one_without_ttl(
    store: EmbeddingStore, cql: Any, clock: FakeClock
) -> None:
    store.write(SPACE, [embedding("e", 1, expires_at=clock.at + 10_000_000), embedding("for ever", 1)])
    ttl = dict(cql.execute(f"SELECT key, TTL(vector) FROM {TABLE}").all())
    assert ttl["for ever"] is None
    assert 10 < ttl["e"] <= 70


def test_a_row_that_expired_before_it_was_written_still_gets_a_ttl(
    store: EmbeddingStore, cql: Any, clock: FakeClock
) -> None:
    store.write(SPACE, [embedding("e", 1, expires_at=clock.at - 10**12)])
    assert scanned(store) == []
    assert all(ttl is not None for (ttl,) in cql.execute(f"SELECT TTL(vector) FROM {TABLE}"))


def test_a_large_table_is_counted_by_its_estimate(
    settings: StoreSettings, cql: Any, store: EmbeddingStore, clock: FakeClock
) -> None:
    store.write(SPACE, [embedding("key", 1)])
    limited = CassandraStore(settings, clock, limits=CassandraLimits(max_exact_count=6))
    estimate = (
        "INSERT INTO system.table_estimates (keyspace_name, table_name, range_type, range_start, range_end,"
        " mean_partition_size, partitions_count)"
        f" VALUES ('contract', 'embeddings_{SPACE}', 'local_primary', %s, %s, 1, %s)"
    )
    cql.execute(estimate, ("0", "1", 3))
    assert limited.count(SPACE) == 1
    cql.execute(estimate, ("1", "2", 4))
    assert limited.count(SPACE) == 7
    limited.close()


def test_a_store_finds_a_table_that_was_created_after_a_failed_read(
    store: EmbeddingStore, settings: StoreSettings, cql: Any
) -> None:
    cql.execute("DROP TABLE IF EXISTS contract.embeddings_created_later")
    with pytest.raises(UnavailableError, match="schema command"):
        store.read("created_later", ["key"], PATIENT)
    creator = CassandraStore(settings, FakeClock())
    creator.ensure_space("created_later")
    creator.close()
    store.ensure_space("created_later")
    assert store.read("created_later", ["key"], PATIENT) == {}


def test_an_invalid_space_id_never_reaches_cassandra(store: EmbeddingStore) -> None:
    with pytest.raises(ValueError, match="is not the id of a space"):
        store.ensure_space('x"; DROP TABLE y')
    with pytest.raises(ValueError, match="is not the id of a space"):
        store.read("", ["key"], PATIENT)
