"""Prefetch, Put and Invalidate."""

from collections.abc import Callable
from datetime import timedelta

import grpc
import pytest

from embark.clock import micros
from embark.statuses import KeyStatus
from embark.store import Embedding
from embark.v1 import embark_pb2 as pb
from embark.v1 import types_pb2
from embark_testing.embark.harness import ZEROS, Harness, embark_settings, read_statuses, running, vector

HIT, ENQUEUED, PENDING = KeyStatus.HIT, KeyStatus.OOV_ENQUEUED, KeyStatus.OOV_PENDING
SHED, UNAVAILABLE, INVALID = KeyStatus.SHED, KeyStatus.UNAVAILABLE, KeyStatus.INVALID
NAN = b"\x00\x00\xc0\x7f"


def put(harness: Harness, rows: dict[bytes, bytes], space: str | None = None) -> pb.PutResponse:
    named = harness.space if space is None else space
    return harness.stub.Put(pb.PutRequest(space=named, keys=list(rows), vectors=b"".join(rows.values())), timeout=30)


def invalidate(harness: Harness, *keys: bytes) -> pb.InvalidateResponse:
    return harness.stub.Invalidate(pb.InvalidateRequest(keys=keys), timeout=30)


def test_prefetch_requests_fills_of_missing_keys_and_brings_no_row_into_the_hot_tier() -> None:
    with running() as harness:
        harness.write({"a": vector(1)})
        request = pb.PrefetchRequest(keys=[b"a", b"x", b"\xff", b"x"])
        response = harness.stub.Prefetch(request, timeout=30)
        assert (response.space, list(response.causes)) == (harness.space, [2])
        assert read_statuses(response) == [HIT, ENQUEUED, INVALID, ENQUEUED]
        assert read_statuses(harness.stub.Prefetch(request, timeout=30)) == [
            HIT,
            PENDING,
            INVALID,
            PENDING,
        ]
        assert [fill.key for fill in harness.producer.fills] == [b"x"]
        assert harness.counted("embark_hot_tier_rows") == 0


def test_a_put_embedding_is_stored_and_served_immediately() -> None:
    with running() as harness:
        assert read_statuses(put(harness, {b"a": vector(1), b"b": vector(2)})) == [HIT, HIT]
        stored = harness.store.read(harness.space, ["a"], timedelta(seconds=1))["a"]
        assert stored == Embedding("a", vector(1), harness.clock())
        reads = len(harness.store.reads)
        assert harness.lookup("b", "a").vectors == vector(2) + vector(1)
        assert len(harness.store.reads) == reads


def test_a_put_embedding_expires_with_the_ttl_of_the_store() -> None:
    with running(embark_settings(store={"ttl": "10s"})) as harness:
        put(harness, {b"a": vector(1)})
        stored = harness.store.read(harness.space, ["a"], timedelta(seconds=1))["a"]
        assert stored.expires_at == harness.clock() + micros(timedelta(seconds=10))
        harness.clock.advance(timedelta(seconds=10))
        assert read_statuses(harness.lookup("a")) == [ENQUEUED]


def test_the_last_vector_of_a_repeated_key_in_a_put_wins() -> None:
    with running() as harness:
        request = pb.PutRequest(space=harness.space, keys=[b"a", b"a"], vectors=vector(1) + vector(2))
        assert read_statuses(harness.stub.Put(request, timeout=30)) == [HIT, HIT]
        assert harness.lookup("a").vectors == vector(2)


def test_a_put_replaces_the_hot_row() -> None:
    with running() as harness:
        harness.write({"a": vector(1)})
        harness.lookup("a")
        harness.clock.advance(timedelta(milliseconds=1))
        put(harness, {b"a": vector(2)})
        assert harness.lookup("a").vectors == vector(2)


def test_a_vector_that_is_not_finite_is_invalid_and_affects_no_other() -> None:
    with running() as harness:
        response = put(harness, {b"a": vector(1), b"bad": vector(1)[:8] + NAN + vector(1)[:4], b"": vector(1)})
        assert read_statuses(response) == [HIT, INVALID, INVALID]
        assert {index: cause.kind for index, cause in response.causes.items()} == {
            1: types_pb2.CAUSE_KIND_ENCODER_FAILED,
            2: types_pb2.CAUSE_KIND_INVALID_KEY,
        }
        assert "element 2" in response.causes[1].detail
        assert read_statuses(harness.lookup("a", "bad")) == [HIT, ENQUEUED]


@pytest.mark.parametrize(
    ("space", "vectors", "code", "message"),
    [
        ("", ZEROS, grpc.StatusCode.FAILED_PRECONDITION, "names no space; the active space is {space}"),
        ("feedfeedfeed", ZEROS, grpc.StatusCode.FAILED_PRECONDITION, "the active space is {space}"),
        (None, ZEROS[1:], grpc.StatusCode.INVALID_ARGUMENT, "15 bytes; 1 keys of 4 float32 elements have 16"),
    ],
    ids=["no space", "another space", "too short"],
)
def test_a_put_that_does_not_match_the_active_space_is_refused(
    space: str | None, vectors: bytes, code: grpc.StatusCode, message: str
) -> None:
    with running() as harness:
        with pytest.raises(grpc.RpcError) as refused:
            put(harness, {b"a": vectors}, space)
        assert refused.value.code() is code
        assert message.format(space=harness.space) in str(refused.value.details())


def test_a_put_without_acknowledgement_is_unavailable_and_not_served_from_memory() -> None:
    with running() as harness:
        harness.store.failing.set()
        assert read_statuses(put(harness, {b"a": vector(1)})) == [UNAVAILABLE]
        harness.store.failing.clear()
        assert read_statuses(harness.lookup("a")) == [ENQUEUED]


def test_an_invalidated_key_is_oov_immediately_and_requested_again() -> None:
    with running() as harness:
        harness.write({"a": vector(1)})
        assert read_statuses(harness.lookup("a")) == [HIT]
        assert read_statuses(invalidate(harness, b"a", b"")) == [ENQUEUED, INVALID]
        fill = harness.producer.fills[0]
        assert (fill.key, fill.not_before, fill.requested_at) == (b"a", harness.clock(), harness.clock())
        response = harness.lookup("a")
        assert (read_statuses(response), response.vectors) == ([PENDING], ZEROS)


def test_an_invalidation_requests_a_fill_even_within_the_repeat_window() -> None:
    with running() as harness:
        harness.lookup("a")
        assert read_statuses(invalidate(harness, b"a")) == [ENQUEUED]
        assert [fill.not_before for fill in harness.producer.fills] == [0, harness.clock()]


def test_the_next_lookup_requests_the_fill_that_an_invalidation_could_not_enqueue() -> None:
    with running() as harness:
        harness.write({"a": vector(1)})
        harness.producer.full = True
        assert read_statuses(invalidate(harness, b"a")) == [SHED]
        harness.producer.full = False
        assert read_statuses(harness.lookup("a")) == [ENQUEUED]


def test_an_invalidation_that_the_store_fails_changes_and_requests_nothing() -> None:
    with running() as harness:
        harness.write({"a": vector(1)})
        harness.lookup("a")
        harness.store.failing.set()
        assert read_statuses(invalidate(harness, b"a")) == [UNAVAILABLE]
        assert not harness.producer.fills
        assert harness.lookup("a").vectors == vector(1)


def test_rows_are_deleted_before_their_fills_are_requested() -> None:
    with running() as harness:
        harness.write({"a": vector(1)})
        left: list[object] = []
        produce = harness.producer.produce

        def look_then_produce(key: bytes, value: bytes, headers: dict[str, bytes]) -> bool:
            left.append(harness.store.read(harness.space, ["a"], timedelta(seconds=1)))
            return produce(key, value, headers)

        harness.producer.produce = look_then_produce  # type: ignore[method-assign,assignment]
        invalidate(harness, b"a")
        assert left == [{}]


def test_an_invalidation_reaches_the_previous_space_so_that_a_rollback_does_not_revive_the_row() -> None:
    with running(embark_settings(previous=True)) as harness:
        assert harness.settings.previous is not None
        previous = harness.settings.previous.id
        harness.write({"a": vector(1)}, space=previous)
        assert read_statuses(harness.lookup("a", space=previous)) == [HIT]
        invalidate(harness, b"a")
        assert read_statuses(harness.lookup("a", space=previous)) == [SHED]


def test_a_lookup_that_read_before_an_invalidation_leaves_nothing_hot_after_it() -> None:
    with running() as harness:
        harness.write({"a": vector(1)})
        lookup, row = harness.store.lookup, vector(1)

        def look_up_then_invalidate(space: str, keys: list[str], timeout: timedelta) -> object:
            found = lookup(space, keys, timeout)
            harness.store.lookup = lookup  # type: ignore[method-assign]
            invalidate(harness, b"a")
            return found

        harness.store.lookup = look_up_then_invalidate  # type: ignore[method-assign,assignment]
        assert harness.lookup("a").vectors == row
        assert read_statuses(harness.lookup("a")) == [PENDING]


@pytest.mark.parametrize(
    "call",
    [
        lambda stub, keys: stub.Prefetch(pb.PrefetchRequest(keys=keys), timeout=30),
        lambda stub, keys: stub.Invalidate(pb.InvalidateRequest(keys=keys), timeout=30),
    ],
    ids=["Prefetch", "Invalidate"],
)
@pytest.mark.parametrize("count", [0, 1025])
def test_changes_enforce_the_limit_of_keys(call: Callable[[object, list[bytes]], object], count: int) -> None:
    with running() as harness:
        with pytest.raises(grpc.RpcError) as refused:
            call(harness.stub, [b"k"] * count)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
