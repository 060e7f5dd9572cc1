"""DescribeRollout on Cassandra: with checkpoints, without checkpoints, and without their table."""

import uuid
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from embark.errors import UnavailableError
from embark.settings import StoreSettings
from embark.store import split_ring
from embark.store.cassandra.adapter import CassandraStore
from embark.v1 import embark_pb2 as pb
from embark_server.counts import describe_rollout
from embark_testing.contracts.checkpoints import begin
from embark_testing.embark.harness import guarded_store
from embark_testing.fake_clock import FakeClock
from embark_testing.servers.cassandra_keyspaces import cql_session, store_settings
from embark_testing.servers.cassandra_server import CassandraServer

pytestmark = pytest.mark.integration
SPACE, OTHER = "0123456789ab", "cafecafecafe"


@pytest.fixture
def settings(cassandra: CassandraServer) -> StoreSettings:
    return store_settings(cassandra, f"t{uuid.uuid4().hex[:12]}")


@pytest.fixture
def store(settings: StoreSettings) -> Iterator[CassandraStore]:
    with closing(CassandraStore(settings, FakeClock())) as made:
        yield made


@pytest.fixture
def cql(cassandra: CassandraServer) -> Iterator[Any]:
    with cql_session(cassandra) as session:
        yield session


def describe(store: CassandraStore) -> pb.DescribeRolloutResponse:
    return describe_rollout(SPACE, guarded_store(store))


def test_checkpoints_are_visible_immediately_and_dropped_with_the_space(store: CassandraStore) -> None:
    store.ensure_space(SPACE)
    assert describe(store) == pb.DescribeRolloutResponse()
    kept = store.checkpoints()
    for within in split_ring(256):
        begun = begin(kept, SPACE, within)
    begin(kept, OTHER, split_ring(1)[0])
    assert describe(store) == pb.DescribeRolloutResponse(ranges_begun=256)
    assert kept.save(SPACE, begun.advanced(begun.token_range.end, done=70, failed=3))
    assert describe(store) == pb.DescribeRolloutResponse(ranges_begun=256, ranges_over=1, done=70, failed=3)
    store.drop_space(SPACE)
    assert describe(store) == pb.DescribeRolloutResponse()


def test_a_keyspace_without_a_checkpoint_table_is_unavailable_and_names_the_schema_command(
    store: CassandraStore, settings: StoreSettings, cql: Any
) -> None:
    with pytest.raises(UnavailableError, match="the schema command creates keyspace, tables"):
        describe(store)
    with closing(CassandraStore(settings, FakeClock())) as other:
        other.ensure_space(SPACE)
        assert describe(other) == pb.DescribeRolloutResponse()
        cql.execute(f'DROP TABLE "{settings.cassandra.keyspace}".rollout_progress')
        with pytest.raises(UnavailableError, match="rollout_progress"):
            describe(other)
