"""The parts of the Cassandra store that need no server."""

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
from embark.store.cassandra.errors import unavailable_on_failure
from embark.store.cassandra.link import _cluster
from embark.store.cassandra.ring import groups_by_replica, token_ranges
from embark.store.cassandra.rows import of_columns, served_of, ttl_seconds, write_values
from embark.store.cassandra.table import bind_encoded
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
def test_every_failure_of_the_driver_is_unavailable_and_says_why(error: Exception, message: str) -> None:
    with pytest.raises(UnavailableError, match=f"store: .*{message}"), unavailable_on_failure():
        raise error


def test_a_fault_of_the_program_is_not_called_unavailable() -> None:
    with pytest.raises(TypeError), unavailable_on_failure():
        raise TypeError


@pytest.mark.parametrize(
    ("left", "seconds"),
    [(None, 0), (0, 60), (1, 61), (1_000_000, 61), (-(10**15), 1), (10**18, 20 * 365 * 24 * 3600)],
)
def test_a_ttl_ends_after_the_row_and_is_one_that_cassandra_takes(left: int | None, seconds: int) -> None:
    assert ttl_seconds(None if left is None else NOW + left, NOW) == seconds


# What the server says of Statements.write's parameters.
WRITTEN = [UTF8Type, BytesType, UTF8Type, BytesType, DateType, LongType, LongType, Int32Type]


@pytest.mark.parametrize(
    ("row", "values"),
    [
        (embedding("é", NOW, b"1234"), ["é", b"1234", "", b"hash of 1234", NOW // 1000, 0, NOW, 0]),
        (negative("n", NOW, NOW + 5), ["n", None, "not_found: 404: gone", b"", NOW // 1000, NOW + 5, NOW, 61]),
    ],
)
def test_a_write_has_a_value_or_null_for_every_column_as_the_driver_would_encode_it(row: Row, values: Any) -> None:
    columns = [ColumnMetadata("keyspace", "table", name.typename, name) for name in WRITTEN]
    prepared = PreparedStatement(columns, b"id", [0], "INSERT", "keyspace", 4, None, None, None)
    statement, driven = bind_encoded(prepared, write_values(row, NOW)), prepared.bind(values)
    assert statement.values == driven.values
    assert statement.routing_key == driven.routing_key == row.key.encode()


def test_a_row_of_which_nothing_is_left_is_none() -> None:
    assert of_columns(("key", None, None, None, None, None, None)) is None
    assert of_columns(("key", None, "", b"", 0, None, 5)) is None


@pytest.mark.parametrize("vector", [b"1234", None])
@pytest.mark.parametrize("cause", ["not_found: 404", "", None])
@pytest.mark.parametrize("expires_at", [None, 0, NOW - 1, NOW, NOW + 1])
def test_a_look_up_gets_of_a_row_what_a_read_makes_of_it(
    vector: bytes | None, cause: str | None, expires_at: int | None
) -> None:
    row = of_columns(("key", vector, cause, b"hash", expires_at, None if vector is None else NOW, NOW))
    expected = None if row is None or expired(row, NOW) else served(row)
    assert served_of(("key", vector, cause, expires_at), NOW) == expected


def test_the_end_of_a_request_never_waits_by_nagles_algorithm_for_the_acknowledgement_of_its_beginning() -> None:
    cluster = _cluster(Cassandra(contact_points=["127.0.0.1"], keyspace="k"), None, None)
    try:
        assert (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1) in cluster.sockopts
    finally:
        cluster.shutdown()


def test_token_ranges_cover_the_ring_without_overlap() -> None:
    ring = [SimpleNamespace(value=token) for token in (-(2**63), -5, 0, 7, 2**63 - 1)]
    ranges = token_ranges(SimpleNamespace(token_map=SimpleNamespace(ring=ring)))
    assert ranges == [(-(2**63), -5), (-5, 0), (0, 7), (7, 2**63 - 1)]
    assert token_ranges(SimpleNamespace(token_map=None)) == [(-(2**63), 2**63 - 1)]


def test_keys_are_grouped_by_the_replica_that_holds_them() -> None:
    class Metadata:
        def all_hosts(self) -> list[str]:
            return ["a", "b"]

        def get_replicas(self, keyspace: str, key: bytes) -> list[str]:
            assert keyspace == "k"
            return ["a", "b"] if key.startswith(b"a") else ["b", "a"]

    groups = list(groups_by_replica(Metadata(), "k", ["a1", "b1", "a2", "b2", "a3"], 2))
    assert groups == [["a1", "a2"], ["a3"], ["b1", "b2"]]


def test_a_password_is_never_printed() -> None:
    assert "secret" not in repr(Credentials("user", "secret"))


def test_tls_without_an_authority_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        tls_context(tmp_path)
