"""The parts of the Cassandra store that work without a server."""

import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cassandra import InvalidRequest, OperationTimedOut
from cassandra.cluster import NoHostAvailable
from cassandra.cqltypes import BytesType, DateType, Int32Type, LongType, UTF8Type
from cassandra.protocol import ColumnMetadata
from cassandra.query import PreparedStatement

from embark.errors import UnavailableError
from embark.spec import Cassandra
from embark.store.cassandra.access import Credentials, tls_context
from embark.store.cassandra.adapter import split_by_replicas
from embark.store.cassandra.connection import open_cluster
from embark.store.cassandra.driver_internals import bind_encoded
from embark.store.cassandra.errors import unavailable_on_failure
from embark.store.cassandra.table import group_by_replica, to_row, to_served, ttl_seconds, write_values
from embark.store.rows import Row, expired, served
from embark_testing.contracts.rows import embedding, negative

NOW = 1_767_225_600_000_000


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OperationTimedOut({}, None), "no answer in time"),
        (NoHostAvailable("Unable", {"10.0.0.1:9042": "refused"}), "10.0.0.1:9042: refused"),
        (InvalidRequest("table x does not exist"), "table x does not exist.*schema command"),
        (OSError("broken"), "OSError: broken"),
    ],
)
def test_every_error_of_the_driver_is_unavailable_with_its_reason(error: Exception, message: str) -> None:
    with pytest.raises(UnavailableError, match=f"store: .*{message}"), unavailable_on_failure():
        raise error


def test_a_bug_is_not_reported_as_unavailable() -> None:
    with pytest.raises(TypeError), unavailable_on_failure():
        raise TypeError


@pytest.mark.parametrize(
    ("left", "seconds"),
    [(None, 0), (0, 60), (1, 61), (1_000_000, 61), (-(10**15), 1), (10**18, 20 * 365 * 24 * 3600)],
)
def test_a_ttl_outlasts_the_row_within_the_range_of_cassandra(left: int | None, seconds: int) -> None:
    assert ttl_seconds(None if left is None else NOW + left, NOW) == seconds


# The types of TableCql.write's parameters as the server reports them.
WRITTEN = [UTF8Type, BytesType, UTF8Type, BytesType, DateType, LongType, LongType, Int32Type]


@pytest.mark.parametrize(
    ("row", "values"),
    [
        (embedding("é", NOW, b"1234"), ["é", b"1234", "", b"hash of 1234", NOW // 1000, 0, NOW, 0]),
        (negative("n", NOW, NOW + 5), ["n", None, "not_found: 404: absent", b"", NOW // 1000, NOW + 5, NOW, 61]),
    ],
)
def test_a_write_has_a_value_or_null_for_every_column_as_the_driver_would_encode_it(row: Row, values: Any) -> None:
    columns = [ColumnMetadata("keyspace", "table", name.typename, name) for name in WRITTEN]
    prepared = PreparedStatement(columns, b"id", [0], "INSERT", "keyspace", 4, None, None, None)
    statement, driven = bind_encoded(prepared, write_values(row, NOW)), prepared.bind(values)
    assert statement.values == driven.values
    assert statement.routing_key == driven.routing_key == row.key.encode()


def test_a_row_with_neither_vector_nor_cause_is_none() -> None:
    assert to_row(("key", None, None, None, None, None, None)) is None
    assert to_row(("key", None, "", b"", 0, None, 5)) is None


@pytest.mark.parametrize("vector", [b"1234", None])
@pytest.mark.parametrize("cause", ["not_found: 404", "", None])
@pytest.mark.parametrize("expires_at", [None, 0, NOW - 1, NOW, NOW + 1])
def test_a_lookup_and_a_read_agree_on_every_row(
    vector: bytes | None, cause: str | None, expires_at: int | None
) -> None:
    row = to_row(("key", vector, cause, b"hash", expires_at, None if vector is None else NOW, NOW))
    expected = None if row is None or expired(row, NOW) else served(row)
    assert to_served(("key", vector, cause, expires_at), NOW) == expected


def test_nagles_algorithm_never_delays_the_end_of_a_request() -> None:
    cluster = open_cluster(Cassandra(contact_points=["127.0.0.1"], keyspace="k"), None, None)
    try:
        assert (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1) in cluster.sockopts
    finally:
        cluster.shutdown()


def test_the_ranges_of_a_scan_cover_the_ring_without_overlap() -> None:
    ring = [SimpleNamespace(value=token) for token in (-(2**63), -5, 0, 7, 2**63 - 1)]
    ranges = split_by_replicas(SimpleNamespace(token_map=SimpleNamespace(ring=ring)))
    assert ranges == [(-(2**63), -5), (-5, 0), (0, 7), (7, 2**63 - 1)]
    assert split_by_replicas(SimpleNamespace(token_map=None)) == [(-(2**63), 2**63 - 1)]


def test_keys_are_grouped_by_the_replica_that_holds_them() -> None:
    class Metadata:
        def all_hosts(self) -> list[str]:
            return ["a", "b"]

        def get_replicas(self, keyspace: str, key: bytes) -> list[str]:
            assert keyspace == "k"
            return ["a", "b"] if key.startswith(b"a") else ["b", "a"]

    groups = list(group_by_replica(Metadata(), "k", ["a1", "b1", "a2", "b2", "a3"], 2))
    assert groups == [["a1", "a2"], ["a3"], ["b1", "b2"]]


def test_a_password_is_never_printed() -> None:
    assert "secret" not in repr(Credentials("user", "secret"))


def test_tls_without_an_authority_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        tls_context(tmp_path)
