"""Similar: neighbours of a key or a vector, without an effect on lookups."""

import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import grpc
import numpy as np
import pytest

from embark.causes import Cause, CauseKind
from embark.settings import EmbArkSettings
from embark.statuses import KeyStatus
from embark.store import Negative, Neighbour, Search
from embark.v1 import embark_pb2 as pb
from embark.v1 import types_pb2
from embark_server.limits import DEFAULT_LIMITS
from embark_testing.embark.harness import DIMENSION, Harness, embark_settings, read_statuses, running, vector
from embark_testing.eventually import eventually

ROWS = {"east": (1, 0), "north-east": (2, 2), "north": (0, 3), "west": (-1, 0)}


def row(*elements: float) -> bytes:
    return np.array([*elements, *[0] * (DIMENSION - len(elements))], "<f4").tobytes()


def searching(**options: Any) -> EmbArkSettings:
    cassandra = {"contactPoints": ["cassandra"], "keyspace": "k", "vectorSearch": True}
    return embark_settings(store={"cassandra": cassandra}, **options)


@pytest.fixture
def harness() -> Iterator[Harness]:
    with running(searching(), rows={key: row(*elements) for key, elements in ROWS.items()}) as made:
        yield made


def similar(harness: Harness, timeout: float = 30, **fields: Any) -> pb.SimilarResponse:
    return harness.stub.Similar(pb.SimilarRequest(**({"k": 10} | fields)), timeout=timeout)


def refusal(harness: Harness, **fields: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as refused:
        similar(harness, **fields)
    return refused.value.code(), refused.value.details() or ""


class HeldSearches:
    """A `similar` of a store that records the timeout of each search and blocks until `gate` is set."""

    def __init__(self) -> None:
        self.timeouts: list[timedelta] = []
        self.gate = threading.Event()

    def __call__(self, space: str, search: Search, timeout: timedelta) -> Sequence[Neighbour]:
        del space, search
        self.timeouts.append(timeout)
        assert self.gate.wait(60)
        return []


@pytest.fixture
def held(harness: Harness) -> Iterator[HeldSearches]:
    searches = HeldSearches()
    harness.store.similar = searches  # type: ignore[method-assign]
    yield searches
    searches.gate.set()


def test_the_neighbours_of_a_key_are_sorted_and_exclude_the_key(harness: Harness) -> None:
    found = similar(harness, key=b"east")
    assert (found.space, found.status) == (harness.space, types_pb2.KEY_STATUS_HIT)
    assert list(found.keys) == [b"north-east", b"north", b"west"]
    assert found.scores == pytest.approx([0.5**0.5, 0, -1])
    assert list(similar(harness, key=b"east", k=1).keys) == [b"north-east"]


def test_the_neighbours_of_a_vector_exclude_no_key_and_have_no_status(harness: Harness) -> None:
    found = similar(harness, vector=row(0.5), k=2)
    assert (list(found.keys), found.status) == ([b"east", b"north-east"], types_pb2.KEY_STATUS_UNSPECIFIED)


def test_a_fill_of_a_key_without_an_embedding_is_requested_as_by_a_lookup(harness: Harness) -> None:
    found = similar(harness, key=b"new")
    assert (found.status, list(found.keys), list(found.scores)) == (types_pb2.KEY_STATUS_OOV_ENQUEUED, [], [])
    assert not found.HasField("cause")
    assert [fill.key for fill in harness.producer.fills] == [b"new"]
    assert similar(harness, key=b"new").status == types_pb2.KEY_STATUS_OOV_PENDING
    harness.producer.full = True
    assert similar(harness, key=b"newer").status == types_pb2.KEY_STATUS_SHED


def test_a_key_that_cannot_have_an_embedding_is_answered_with_its_cause(harness: Harness) -> None:
    cause = Cause(CauseKind.NOT_FOUND, "404: not found")
    harness.store.write(harness.space, [Negative("missing", cause, 1, harness.clock() + 10**9)])
    missing = similar(harness, key=b"missing")
    assert (missing.status, missing.cause.kind, missing.cause.detail) == (
        *(types_pb2.KEY_STATUS_NEGATIVE, types_pb2.CAUSE_KIND_NOT_FOUND, "404: not found"),
    )
    for bad in (b"\xff", b""):
        invalid = similar(harness, key=bad)
        assert (invalid.status, invalid.cause.kind) == (
            *(types_pb2.KEY_STATUS_INVALID, types_pb2.CAUSE_KIND_INVALID_KEY),
        )
    assert not harness.producer.fills


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"key": b"east", "k": 0}, f"k is 0; it must be 1 to {DEFAULT_LIMITS.neighbours}"),
        (
            {"key": b"east", "k": DEFAULT_LIMITS.neighbours + 1},
            f"k is {DEFAULT_LIMITS.neighbours + 1}; it must be 1 to {DEFAULT_LIMITS.neighbours}",
        ),
        ({}, "neither a key nor a vector"),
        ({"vector": b""}, "vector has 0 bytes; 4 float32 elements have 16"),
        ({"vector": row(1)[:-1]}, "vector has 15 bytes"),
        ({"vector": row(0)}, "vector has no direction"),
        ({"vector": row(1, np.nan)}, "vector has no direction"),
        ({"vector": row(np.inf)}, "vector has no direction"),
    ],
)
def test_an_invalid_request_is_refused_by_field(harness: Harness, fields: dict[str, Any], message: str) -> None:
    code, details = refusal(harness, **fields)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert message in details


def test_a_cache_without_vector_search_refuses_and_names_the_field() -> None:
    with running(rows={"east": row(1)}) as harness:
        code, details = refusal(harness, key=b"east")
        assert code is grpc.StatusCode.FAILED_PRECONDITION
        assert "spec.store.cassandra.vectorSearch" in details
        assert (harness.store.reads, harness.producer.fills) == ([], [])
        assert harness.counted("embark_refused_calls_total", code="FAILED_PRECONDITION") == 1


def test_only_the_pinned_previous_space_is_searched() -> None:
    with running(searching(previous=True), rows={"east": row(1), "west": row(-1)}) as harness:
        assert harness.settings.previous is not None
        previous = harness.settings.previous.id
        harness.write({"east": row(0, 1), "north": row(0, 2)}, space=previous)
        found = similar(harness, key=b"east", space=previous)
        assert (found.space, list(found.keys), list(found.scores)) == (previous, [b"north"], [1.0])
        assert similar(harness, key=b"west", space=previous).status == types_pb2.KEY_STATUS_SHED
        assert refusal(harness, key=b"east", space="feedfeedfeed")[0] is grpc.StatusCode.NOT_FOUND


def test_a_failing_store_makes_the_call_unavailable(harness: Harness) -> None:
    harness.lookup("east")
    harness.store.failing.set()
    for query in ({"key": b"east"}, {"key": b"north"}, {"vector": row(1)}):
        assert refusal(harness, **query)[0] is grpc.StatusCode.UNAVAILABLE
    assert not harness.producer.fills


def test_a_search_that_fails_without_its_index_fails_no_lookup(harness: Harness) -> None:
    harness.lookup("east")
    harness.store.failing.set()
    for _ in range(10):
        assert refusal(harness, vector=row(1))[0] is grpc.StatusCode.UNAVAILABLE
    harness.store.failing.clear()
    assert read_statuses(harness.lookup("north")) == [KeyStatus.HIT]
    assert harness.counted("embark_store_breaker_open") == 0


def test_hanging_searches_delay_neither_lookups_nor_changes(harness: Harness, held: HeldSearches) -> None:
    searches = [harness.stub.Similar.future(pb.SimilarRequest(key=b"east", k=1), timeout=60) for _ in range(40)]
    eventually(lambda: len(held.timeouts) == DEFAULT_LIMITS.search_threads, what="every thread of searches hangs")
    assert read_statuses(harness.lookup("north", "new")) == [KeyStatus.HIT, KeyStatus.OOV_ENQUEUED]
    put = pb.PutRequest(space=harness.space, keys=[b"put"], vectors=vector(1))
    assert read_statuses(harness.stub.Put(put, timeout=30)) == [KeyStatus.HIT]
    assert not any(call.done() for call in searches)
    held.gate.set()
    assert all(call.result().status == types_pb2.KEY_STATUS_HIT for call in searches)


def test_a_search_gets_at_most_the_time_of_its_caller(harness: Harness, held: HeldSearches) -> None:
    held.gate.set()
    similar(harness, timeout=20, vector=row(1))
    harness.stub.Similar(pb.SimilarRequest(vector=row(1), k=1))
    assert timedelta(seconds=5) < held.timeouts[0] < timedelta(seconds=30)
    assert held.timeouts[1] == timedelta(seconds=30)


def test_a_drain_loses_no_search(harness: Harness, held: HeldSearches) -> None:
    search = harness.stub.Similar.future(pb.SimilarRequest(key=b"east", k=1), timeout=60)
    eventually(lambda: held.timeouts)
    stopping = threading.Thread(target=harness.server.stop)
    stopping.start()
    eventually(lambda: harness.server._stopped)
    held.gate.set()
    assert search.result().status == types_pb2.KEY_STATUS_HIT
    stopping.join(30)
    assert not stopping.is_alive()


def test_searches_are_timed_and_counted_by_the_status_of_their_key(harness: Harness) -> None:
    similar(harness, key=b"east")
    similar(harness, key=b"new")
    similar(harness, vector=row(1))
    for status in ("HIT", "OOV_ENQUEUED"):
        assert harness.counted("embark_keys_total", method="Similar", space="active", status=status) == 1
    assert harness.counted("embark_similar_seconds_count") == 3
