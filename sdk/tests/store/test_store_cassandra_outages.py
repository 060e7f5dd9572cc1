"""The Cassandra store while its server is suspended, down, or without a schema."""

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import pytest

from embark.errors import UnavailableError
from embark.settings import StoreSettings
from embark.store import EmbeddingStore
from embark.store.cassandra.adapter import CassandraStore
from embark_testing.contracts.rows import PATIENT, SPACE, embedding, read_one
from embark_testing.eventually import eventually
from embark_testing.fake_clock import FakeClock
from embark_testing.servers.cassandra_keyspaces import cql_session, store_settings
from embark_testing.servers.cassandra_server import CassandraServer
from embark_testing.servers.free_ports import free_ports

pytestmark = pytest.mark.integration
SHORT = timedelta(milliseconds=200)


@pytest.fixture
def settings(cassandra: CassandraServer) -> StoreSettings:
    return store_settings(cassandra, "outages")


@pytest.fixture
def store(settings: StoreSettings, clock: FakeClock) -> Iterator[EmbeddingStore]:
    store = CassandraStore(settings, clock)
    store.ensure_space(SPACE)
    store.write(SPACE, [embedding("key", 1)])
    yield store
    store.close()


@contextmanager
def suspended(server: CassandraServer) -> Iterator[None]:
    server.suspend()
    try:
        yield
    finally:
        server.resume()


def failure(store: EmbeddingStore) -> str:
    """Return the error of a short read, or nothing if it is answered."""
    try:
        store.read(SPACE, ["key"], SHORT)
    except UnavailableError as error:
        return str(error)
    return ""


def test_a_read_is_unavailable_while_cassandra_is_suspended_and_works_afterwards(
    store: EmbeddingStore, cassandra: CassandraServer
) -> None:
    with suspended(cassandra):
        assert "in time" in failure(store)
        with pytest.raises(UnavailableError, match="in time"):
            store.read(SPACE, [f"key {i}" for i in range(2000)], SHORT)
    eventually(lambda: not failure(store), what="Cassandra answers again")
    assert read_one(store, "key") == embedding("key", 1)


def test_a_connection_that_was_closed_in_an_outage_is_opened_again(
    store: EmbeddingStore, cassandra: CassandraServer
) -> None:
    with suspended(cassandra):
        eventually(lambda: "no Cassandra host answers" in failure(store), 60, "the connection is closed")
    eventually(lambda: not failure(store), 30, "the connection is open again")
    assert read_one(store, "key") == embedding("key", 1)


def test_a_store_opened_while_cassandra_is_down_works_once_it_is_up(
    store: EmbeddingStore, settings: StoreSettings, cassandra: CassandraServer, clock: FakeClock
) -> None:
    cassandra.kill()
    try:
        late = CassandraStore(settings, clock)
        with pytest.raises(UnavailableError, match="store"):
            late.read(SPACE, ["key"], PATIENT)
        with pytest.raises(UnavailableError, match="store"):
            late.write(SPACE, [embedding("key", 2)])
    finally:
        cassandra.start()
    eventually(lambda: not failure(late), 30, "the connection is made")
    found = read_one(late, "key")
    late.close()
    assert found == embedding("key", 1)
    eventually(lambda: not failure(store), 30, "the earlier connection is back")


def test_an_address_without_a_server_is_unavailable(settings: StoreSettings, clock: FakeClock) -> None:
    [port] = free_ports("127.0.0.1", 1)
    nowhere = settings.cassandra.model_copy(update={"port": port})
    store = CassandraStore(settings.model_copy(update={"cassandra": nowhere}), clock)
    with pytest.raises(UnavailableError, match="no Cassandra host answers"):
        store.read(SPACE, ["key"], PATIENT)
    with pytest.raises(UnavailableError, match="no Cassandra host answers"):
        store.ensure_space(SPACE)
    store.close()


def test_ten_processes_create_the_schema_once(cassandra: CassandraServer) -> None:
    settings = store_settings(cassandra, "created_at_once")
    code = """
        import sys
        from embark.clock import now
        from embark.errors import UnavailableError
        from embark.settings import StoreSettings
        from embark.store import Embedding
        from embark.store.cassandra.adapter import CassandraStore
        from datetime import timedelta
        store = CassandraStore(StoreSettings.model_validate_json(sys.argv[1]), now)
        try:
            store.count(sys.argv[2])
        except UnavailableError:
            print("connected, and the table is missing", flush=True)
        sys.stdin.readline()
        store.ensure_space(sys.argv[2])
        store.write(sys.argv[2], [Embedding(sys.argv[3], b"1234", 1)])
        store.close()
    """
    with ExitStack() as stack:
        creators = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", textwrap.dedent(code), settings.model_dump_json(), SPACE, str(i)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            for i in range(10)
        ]
        for creator in creators:
            stack.callback(creator.kill)
            assert creator.stdout is not None
            assert "table is missing" in creator.stdout.readline()
        for creator in creators:
            assert creator.stdin is not None
            creator.stdin.write("\n")
            creator.stdin.flush()
        results = [(creator.communicate(timeout=120)[1], creator.returncode) for creator in creators]
    assert [status for _, status in results] == [0] * 10, results
    with cql_session(cassandra) as session:
        tables = session.execute(
            "SELECT table_name FROM system_schema.tables WHERE keyspace_name = 'created_at_once'"
        ).all()
        rows = session.execute(f"SELECT key FROM created_at_once.embeddings_{SPACE}").all()
    assert sorted(tables) == [(f"embeddings_{SPACE}",), ("rollout_progress",)]
    assert len(rows) == 10
