"""The Cassandra store on two nodes: keys are asked of their replicas, and a lost node takes no look-up with it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from embark.errors import UnavailableError
from embark.store.cassandra.adapter import CassandraStore
from embark_testing.contracts.rows import PATIENT, SPACE, embedding
from embark_testing.eventually import eventually
from embark_testing.fake_clock import FakeClock
from embark_testing.servers.cassandra_keyspaces import store_settings
from embark_testing.servers.cassandra_server import CassandraServer

pytestmark = pytest.mark.integration
KEYS = [f"key {number}" for number in range(40)]
ROUNDS = 20
SHORT = timedelta(seconds=1)
Opened = Callable[[int], CassandraStore]


@pytest.fixture
def opened(cassandra_pair: Sequence[CassandraServer], clock: FakeClock) -> Iterator[Opened]:
    """Opens a store whose rows, those of KEYS, have as many replicas as asked for."""
    stores = []

    def open_store(replicas: int) -> CassandraStore:
        settings = store_settings(cassandra_pair[0], f"replicas_{replicas}")
        changed = {"replication_factor": replicas, "contact_points": tuple(node.host for node in cassandra_pair)}
        cassandra = settings.cassandra.model_copy(update=changed)
        store = CassandraStore(settings.model_copy(update={"cassandra": cassandra}), clock)
        stores.append(store)
        # A busy machine may miss a heartbeat of a node that makes a table.
        eventually(lambda: succeeds(lambda: store.ensure_space(SPACE)), 90, "the schema is made")
        eventually(lambda: written(store), 90, "every key has its row")
        return store

    yield open_store
    for store in stores:
        store.close()


@contextmanager
def suspended(server: CassandraServer) -> Iterator[None]:
    server.suspend()
    try:
        yield
    finally:
        server.resume()


def succeeds(call: Callable[[], None]) -> bool:
    try:
        call()
    except UnavailableError:
        return False
    return True


def written(store: CassandraStore) -> bool:
    """Write every key; return whether a quorum of its replicas took it, of two both."""
    return succeeds(lambda: store.write(SPACE, [embedding(key, 1) for key in KEYS]))


def fault(store: CassandraStore, timeout: timedelta) -> str:
    """Look every key up, together and one by one, several times; return what went wrong, or nothing."""
    try:
        reads = [store.read(SPACE, KEYS, timeout) for _ in range(ROUNDS)]
        reads.append({key: row for key in KEYS for row in store.read(SPACE, [key], timeout).values()})
    except UnavailableError as error:
        return str(error)
    missing = {key for rows in reads for key in KEYS if key not in rows}
    return f"not found: {sorted(missing)}" if missing else ""


def test_every_key_is_asked_of_a_node_that_holds_it(opened: Opened, cassandra_pair: Sequence[CassandraServer]) -> None:
    store = opened(1)
    session = store._link.session(PATIENT.total_seconds())
    asked: list[Any] = []
    session.add_request_init_listener(asked.append)
    assert store.read(SPACE, KEYS, PATIENT).keys() == set(KEYS)
    metadata = session.cluster.metadata
    holders = [metadata.get_replicas("replicas_1", future.query.routing_key) for future in asked]
    assert [[future.coordinator_host] for future in asked] == holders
    assert {future.coordinator_host.address for future in asked} == {node.host for node in cassandra_pair}


def test_lookups_go_on_without_a_node_and_use_it_again_when_it_is_back(
    opened: Opened, cassandra_pair: Sequence[CassandraServer]
) -> None:
    store = opened(2)
    first, second = cassandra_pair
    second.kill()
    try:
        # No read fails: what was on its way to the node that died is asked of the other.
        assert fault(store, PATIENT) == ""
    finally:
        second.start()
    # Acknowledged by both: a node that is killed forgets what it has not synced, and is told again by and by.
    eventually(lambda: written(store), 90, "the node that is back takes writes")
    with suspended(first):
        # Requests to a node that says nothing are lost until its heartbeats are missed; then the one that was killed
        # before answers alone.
        eventually(lambda: print(f := fault(store, SHORT)) or not f, 90, "look-ups go on without the suspended node")
    eventually(lambda: written(store), 90, "both nodes take writes again")
