"""The Cassandra store on two nodes: requests go to replicas of their keys, and no lookup fails with a lost node."""

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
OpenStore = Callable[[int], CassandraStore]


@pytest.fixture
def open_store(cassandra_pair: Sequence[CassandraServer], clock: FakeClock) -> Iterator[OpenStore]:
    """A function that opens a store with the rows of KEYS, each on as many replicas as requested."""
    stores = []

    def open_with(replicas: int) -> CassandraStore:
        settings = store_settings(cassandra_pair[0], f"replicas_{replicas}")
        changed = {"replication_factor": replicas, "contact_points": tuple(node.host for node in cassandra_pair)}
        cassandra = settings.cassandra.model_copy(update=changed)
        store = CassandraStore(settings.model_copy(update={"cassandra": cassandra}), clock)
        stores.append(store)
        # A busy machine may miss a heartbeat of a node that creates a table.
        eventually(lambda: succeeds(lambda: store.ensure_space(SPACE)), 90, "the schema is created")
        eventually(lambda: written(store), 90, "every key has its row")
        return store

    yield open_with
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
    """Write every key; return whether a quorum of its replicas acknowledged it, of two both."""
    return succeeds(lambda: store.write(SPACE, [embedding(key, 1) for key in KEYS]))


def find_problem(store: CassandraStore, timeout: timedelta) -> str:
    """Read every key, together and one by one, several times; return what went wrong, or nothing."""
    try:
        reads = [store.read(SPACE, KEYS, timeout) for _ in range(ROUNDS)]
        reads.append({key: row for key in KEYS for row in store.read(SPACE, [key], timeout).values()})
    except UnavailableError as error:
        return str(error)
    missing = {key for rows in reads for key in KEYS if key not in rows}
    return f"not found: {sorted(missing)}" if missing else ""


def test_every_key_is_requested_from_a_node_that_holds_it(
    open_store: OpenStore, cassandra_pair: Sequence[CassandraServer]
) -> None:
    store = open_store(1)
    session = store._connection.session(PATIENT.total_seconds())
    sent: list[Any] = []
    session.add_request_init_listener(sent.append)
    assert store.read(SPACE, KEYS, PATIENT).keys() == set(KEYS)
    metadata = session.cluster.metadata
    holders = [metadata.get_replicas("replicas_1", future.query.routing_key) for future in sent]
    assert [[future.coordinator_host] for future in sent] == holders
    assert {future.coordinator_host.address for future in sent} == {node.host for node in cassandra_pair}


def test_lookups_continue_without_a_node_and_use_it_again_once_it_is_back(
    open_store: OpenStore, cassandra_pair: Sequence[CassandraServer]
) -> None:
    store = open_store(2)
    first, second = cassandra_pair
    second.kill()
    try:
        # No read fails: requests in flight to the node that died are sent to the other.
        assert find_problem(store, PATIENT) == ""
    finally:
        second.start()
    # Acknowledged by both: a killed node loses what it has not synced, and gets it again later.
    eventually(lambda: written(store), 90, "the restarted node takes writes")
    with suspended(first):
        # Requests to a silent node are lost until it has missed its heartbeats; then only the node that was killed
        # before answers.
        eventually(lambda: not find_problem(store, SHORT), 90, "lookups continue without the suspended node")
    eventually(lambda: written(store), 90, "both nodes take writes again")
