"""Keyspaces of tests on a real Cassandra: their settings, and plain CQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import DCAwareRoundRobinPolicy
from cassandra.query import tuple_factory

from embark.settings import StoreSettings
from embark.spec import Cassandra
from embark_testing.servers.cassandra_server import CassandraServer


def store_settings(server: CassandraServer, keyspace: str) -> StoreSettings:
    """Return the settings of a store in a keyspace of the server."""
    cassandra = Cassandra(
        contact_points=(server.host,), port=server.port, datacenter=server.datacenter, keyspace=keyspace
    )
    return StoreSettings(cassandra=cassandra, ttl=timedelta(0))


@contextmanager
def cql_session(server: CassandraServer) -> Iterator[Any]:
    """Open a plain session of the driver whose rows are tuples."""
    policy = DCAwareRoundRobinPolicy(local_dc=server.datacenter)
    profile = ExecutionProfile(policy, row_factory=tuple_factory, request_timeout=60)
    cluster = Cluster(
        [server.host], server.port, protocol_version=4, execution_profiles={EXEC_PROFILE_DEFAULT: profile}
    )
    try:
        yield cluster.connect()
    finally:
        cluster.shutdown()
