"""The vector index of the Cassandra store: the contract with it, and its creation, filling and removal."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from embark.errors import InvalidSpecError, UnavailableError
from embark.settings import StoreSettings
from embark.store import EmbeddingStore, Neighbour
from embark.store.cassandra.adapter import CassandraStore
from embark_testing.contracts.neighbours import (
    DIMENSION,
    EAST,
    NORTH,
    UP,
    NeighbourContract,
    keys,
    search,
    similar,
    vector,
)
from embark_testing.contracts.rows import OTHER_SPACE, PATIENT, SPACE, embedding, negative, read_one
from embark_testing.contracts.write_rule import WriteRule
from embark_testing.eventually import eventually
from embark_testing.fake_clock import FakeClock
from embark_testing.servers.cassandra_keyspaces import cql_session, store_settings
from embark_testing.servers.cassandra_server import CassandraServer

pytestmark = pytest.mark.integration
KEYSPACE = "searched"
TABLE = f"{KEYSPACE}.embeddings_{SPACE}"
LATER = "1a7e21a7e21a"


@pytest.fixture(scope="module")
def unindexed(cassandra: CassandraServer) -> StoreSettings:
    return store_settings(cassandra, KEYSPACE)


@pytest.fixture(scope="module")
def indexed(unindexed: StoreSettings) -> StoreSettings:
    cassandra = unindexed.cassandra.model_copy(update={"vector_search": True})
    return unindexed.model_copy(update={"cassandra": cassandra})


@pytest.fixture(scope="module")
def cql(cassandra: CassandraServer, indexed: StoreSettings) -> Iterator[Any]:
    """A plain CQL session; creates the tables of both spaces and their indexes once."""
    store = CassandraStore(indexed, FakeClock())
    for space in (SPACE, OTHER_SPACE):
        store.ensure_space(space)
        store.ensure_search(space, DIMENSION)
        await_index(store, space)
    store.close()
    with cql_session(cassandra) as session:
        # As in the tests without an index: no TRUNCATE flushes to the disk first.
        session.execute(
            f"ALTER KEYSPACE {KEYSPACE} WITH replication = {{'class': 'NetworkTopologyStrategy', 'datacenter1': 1}}"
            " AND durable_writes = false"
        )
        yield session


@pytest.fixture
def store(indexed: StoreSettings, cql: Any, clock: FakeClock) -> Iterator[CassandraStore]:
    for space in (SPACE, OTHER_SPACE):
        cql.execute(f"TRUNCATE {KEYSPACE}.embeddings_{space}")
    store = CassandraStore(indexed, clock)
    yield store
    store.close()


@pytest.fixture
def later(indexed: StoreSettings, unindexed: StoreSettings, cql: Any, clock: FakeClock) -> Iterator[CassandraStore]:
    """A store with vectorSearch on a table of rows that were written without it."""
    cql.execute(f"DROP TABLE IF EXISTS {KEYSPACE}.embeddings_{LATER}")
    before = CassandraStore(unindexed, clock)
    before.ensure_space(LATER)
    before.ensure_search(LATER, DIMENSION)
    expires_at = clock.at + 10**9
    before.write(LATER, [embedding("east", 5, vector(*EAST)), embedding("north", 5, vector(*NORTH), expires_at)])
    before.write(LATER, [negative("negative", 5, expires_at), embedding("zeros", 5, vector(0, 0, 0, 0))])
    before.close()
    store = CassandraStore(indexed, clock)
    yield store
    store.close()


def await_index(store: EmbeddingStore, space: str) -> None:
    """Wait until Cassandra has built an index, which continues after the statement that creates it."""

    def answers() -> bool:
        try:
            store.similar(space, search(*EAST), PATIENT)
        except UnavailableError as error:
            if "still building" not in str(error):
                raise
            return False
        return True

    eventually(answers, 30, "the index is built")


def near(store: EmbeddingStore) -> list[tuple[str, float]]:
    return [(found.key, found.score) for found in store.similar(LATER, search(*EAST), PATIENT)]


class TestCassandraStoreWithIndex(WriteRule, NeighbourContract):
    """The contracts of writes and neighbours on a real Cassandra."""

    last_of_equals_wins = False


def test_without_the_schema_command_rows_are_served_but_not_written_or_searched(later: CassandraStore) -> None:
    with pytest.raises(UnavailableError, match=r"direction.*the schema command creates"):
        later.similar(LATER, search(*EAST), PATIENT)
    with pytest.raises(UnavailableError, match=r"direction.*the schema command creates"):
        later.write(LATER, [embedding("new", 6)])
    assert later.read(LATER, ["east"], PATIENT) == {"east": embedding("east", 5, vector(*EAST))}
    later.delete(LATER, ["east"], 5)
    assert later.read(LATER, ["east"], PATIENT) == {}


def test_rows_older_than_the_index_are_found_once_it_exists_and_keep_their_times(
    later: CassandraStore, cql: Any
) -> None:
    later.ensure_search(LATER, DIMENSION)
    await_index(later, LATER)
    assert near(later) == [("east", 1.0), ("north", 0.0)]
    table = f"{KEYSPACE}.embeddings_{LATER}"
    times = {key: rest for key, *rest in cql.execute(f"SELECT key, WRITETIME(direction), TTL(direction) FROM {table}")}
    assert times["east"] == [5, None]
    assert times["north"][0] == 5
    assert 900 < times["north"][1] <= 1060
    later.write(LATER, [embedding("north", 4, vector(*EAST)), embedding("east", 6, vector(*UP))])
    assert near(later) == [("east", 0.0), ("north", 0.0)]


def test_ten_concurrent_commands_create_one_complete_index(later: CassandraStore, indexed: StoreSettings) -> None:
    failures: list[BaseException] = []
    start = threading.Barrier(10)

    def command() -> None:
        store = CassandraStore(indexed, FakeClock())
        try:
            start.wait()
            store.ensure_space(LATER)
            store.ensure_search(LATER, DIMENSION)
        except BaseException as error:  # noqa: BLE001 - asserted in the test's thread
            failures.append(error)
        finally:
            store.close()

    threads = [threading.Thread(target=command) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    await_index(later, LATER)
    assert near(later) == [("east", 1.0), ("north", 0.0)]


def test_an_index_is_dropped_with_vector_search_and_complete_when_that_returns(
    later: CassandraStore, unindexed: StoreSettings, clock: FakeClock
) -> None:
    later.ensure_search(LATER, DIMENSION)
    await_index(later, LATER)
    off = CassandraStore(unindexed, clock)
    off.ensure_search(LATER, DIMENSION)
    off.write(LATER, [embedding("east", 6, vector(*NORTH)), embedding("off", 6, vector(*EAST))])
    off.close()
    with pytest.raises(UnavailableError, match="the schema command creates"):
        near(later)
    later.ensure_search(LATER, DIMENSION)
    await_index(later, LATER)
    assert near(later) == [("off", 1.0), ("east", 0.0), ("north", 0.0)]


@pytest.mark.parametrize("dimension", [1, 8193])
def test_the_schema_command_rejects_a_dimension_that_cannot_be_indexed(store: CassandraStore, dimension: int) -> None:
    with pytest.raises(InvalidSpecError, match=r"spec\.store\.cassandra\.vectorSearch: .* 2 to 8192"):
        store.ensure_search(LATER, dimension)


def test_ensuring_the_index_again_changes_nothing(store: CassandraStore) -> None:
    store.write(SPACE, [embedding("key", 1, vector(*EAST))])
    store.ensure_search(SPACE, DIMENSION)
    assert similar(store, search(*EAST)) == [Neighbour("key", 1.0)]


def test_neighbours_are_scored_by_their_rows_and_not_by_a_stale_index(store: CassandraStore, cql: Any) -> None:
    store.write(SPACE, [embedding("changed", 5, vector(*EAST)), embedding("same", 5, vector(*NORTH))])
    # As a service without vectorSearch writes: the direction stays stale.
    cql.execute(f"UPDATE {TABLE} USING TIMESTAMP 6 SET vector = %s WHERE key = 'changed'", (vector(*UP),))
    assert read_one(store, "changed") is not None
    assert similar(store, search(*EAST)) == [Neighbour("changed", 0.0), Neighbour("same", 0.0)]


def test_an_invalid_space_id_creates_no_index(store: CassandraStore) -> None:
    with pytest.raises(ValueError, match="is not the id of a space"):
        store.ensure_search('x"; DROP TABLE y', DIMENSION)
    assert keys(similar(store, search(*EAST))) == []
