"""Prefetch, Put and Invalidate: rows asked for, given and taken back."""

from collections.abc import Callable
from datetime import timedelta

import grpc
import pytest

from embark.clock import micros
from embark.statuses import KeyStatus
from embark.store import Embedding
from embark.v1 import embark_pb2 as pb
from embark.v1 import types_pb2
from embark_testing.embark.parts import ZEROS, Bench, embark_settings, running, statuses_of, vector

HIT, ENQUEUED, PENDING = KeyStatus.HIT, KeyStatus.OOV_ENQUEUED, KeyStatus.OOV_PENDING
SHED, UNAVAILABLE, INVALID = KeyStatus.SHED, KeyStatus.UNAVAILABLE, KeyStatus.INVALID
NAN = b"\x00\x00\xc0\x7f"


def put(bench: Bench, rows: dict[bytes, bytes], space: str | None = None) -> pb.PutResponse:
    named = bench.space if space is None else space
    return bench.stub.Put(pb.PutRequest(space=named, keys=list(rows), vectors=b"".join(rows.values())), timeout=30)


def invalidate(bench: Bench, *keys: bytes) -> pb.InvalidateResponse:
    return bench.stub.Invalidate(pb.InvalidateRequest(keys=keys), timeout=30)


def test_prefetch_asks_for_the_keys_without_a_row_and_brings_none_into_the_hot_tier() -> None:
    with running() as bench:
        bench.write({"a": vector(1)})
        request = pb.PrefetchRequest(keys=[b"a", b"x", b"\xff", b"x"])
        response = bench.stub.Prefetch(request, timeout=30)
        assert (response.space, list(response.causes)) == (bench.space, [2])
        assert statuses_of(response) == [HIT, ENQUEUED, INVALID, ENQUEUED]
        assert statuses_of(bench.stub.Prefetch(request, timeout=30)) == [
            HIT,
            PENDING,
            INVALID,
            PENDING,
        ]
        assert [fill.key for fill in bench.producer.fills] == [b"x"]
        assert bench.counted("embark_hot_tier_rows") == 0


def test_a_put_embedding_is_stored_and_served_at_once() -> None:
    with running() as bench:
        assert statuses_of(put(bench, {b"a": vector(1), b"b": vector(2)})) == [HIT, HIT]
        stored = bench.store.read(bench.space, ["a"], timedelta(seconds=1))["a"]
        assert stored == Embedding("a", vector(1), bench.clock())
        reads = len(bench.store.reads)
        assert bench.lookup("b", "a").vectors == vector(2) + vector(1)
        assert len(bench.store.reads) == reads


def test_a_put_embedding_lives_as_long_as_the_stores_ttl() -> None:
    with running(embark_settings(store={"ttl": "10s"})) as bench:
        put(bench, {b"a": vector(1)})
        stored = bench.store.read(bench.space, ["a"], timedelta(seconds=1))["a"]
        assert stored.expires_at == bench.clock() + micros(timedelta(seconds=10))
        bench.clock.advance(timedelta(seconds=10))
        assert statuses_of(bench.lookup("a")) == [ENQUEUED]


def test_of_a_key_put_twice_in_one_request_the_last_vector_counts() -> None:
    with running() as bench:
        request = pb.PutRequest(space=bench.space, keys=[b"a", b"a"], vectors=vector(1) + vector(2))
        assert statuses_of(bench.stub.Put(request, timeout=30)) == [HIT, HIT]
        assert bench.lookup("a").vectors == vector(2)


def test_a_put_replaces_the_hot_row() -> None:
    with running() as bench:
        bench.write({"a": vector(1)})
        bench.lookup("a")
        bench.clock.advance(timedelta(milliseconds=1))
        put(bench, {b"a": vector(2)})
        assert bench.lookup("a").vectors == vector(2)


def test_a_vector_that_is_not_finite_is_invalid_alone() -> None:
    with running() as bench:
        response = put(bench, {b"a": vector(1), b"bad": vector(1)[:8] + NAN + vector(1)[:4], b"": vector(1)})
        assert statuses_of(response) == [HIT, INVALID, INVALID]
        assert {index: cause.kind for index, cause in response.causes.items()} == {
            1: types_pb2.CAUSE_KIND_ENCODER_FAILED,
            2: types_pb2.CAUSE_KIND_INVALID_KEY,
        }
        assert "element 2" in response.causes[1].detail
        assert statuses_of(bench.lookup("a", "bad")) == [HIT, ENQUEUED]


@pytest.mark.parametrize(
    ("space", "vectors", "code", "said"),
    [
        ("", ZEROS, grpc.StatusCode.FAILED_PRECONDITION, "names no space; the active space is {space}"),
        ("feedfeedfeed", ZEROS, grpc.StatusCode.FAILED_PRECONDITION, "the active space is {space}"),
        (None, ZEROS[1:], grpc.StatusCode.INVALID_ARGUMENT, "15 bytes; 1 keys of 4 float32 elements have 16"),
    ],
    ids=["no space", "another space", "too short"],
)
def test_a_put_that_does_not_fit_the_active_space_is_refused(
    space: str | None, vectors: bytes, code: grpc.StatusCode, said: str
) -> None:
    with running() as bench:
        with pytest.raises(grpc.RpcError) as refused:
            put(bench, {b"a": vectors}, space)
        assert refused.value.code() is code
        assert said.format(space=bench.space) in str(refused.value.details())


def test_a_put_that_the_store_did_not_acknowledge_is_unavailable_and_not_served_from_memory() -> None:
    with running() as bench:
        bench.store.failing.set()
        assert statuses_of(put(bench, {b"a": vector(1)})) == [UNAVAILABLE]
        bench.store.failing.clear()
        assert statuses_of(bench.lookup("a")) == [ENQUEUED]


def test_an_invalidated_key_is_oov_at_once_and_asked_for_anew() -> None:
    with running() as bench:
        bench.write({"a": vector(1)})
        assert statuses_of(bench.lookup("a")) == [HIT]
        assert statuses_of(invalidate(bench, b"a", b"")) == [ENQUEUED, INVALID]
        fill = bench.producer.fills[0]
        assert (fill.key, fill.not_before, fill.requested_at) == (b"a", bench.clock(), bench.clock())
        response = bench.lookup("a")
        assert (statuses_of(response), response.vectors) == ([PENDING], ZEROS)


def test_an_invalidation_asks_although_the_key_was_asked_for_a_moment_ago() -> None:
    with running() as bench:
        bench.lookup("a")
        assert statuses_of(invalidate(bench, b"a")) == [ENQUEUED]
        assert [fill.not_before for fill in bench.producer.fills] == [0, bench.clock()]


def test_an_invalidation_that_the_topic_sheds_is_asked_for_by_the_next_look_up() -> None:
    with running() as bench:
        bench.write({"a": vector(1)})
        bench.producer.full = True
        assert statuses_of(invalidate(bench, b"a")) == [SHED]
        bench.producer.full = False
        assert statuses_of(bench.lookup("a")) == [ENQUEUED]


def test_an_invalidation_the_store_fails_changes_and_asks_for_nothing() -> None:
    with running() as bench:
        bench.write({"a": vector(1)})
        bench.lookup("a")
        bench.store.failing.set()
        assert statuses_of(invalidate(bench, b"a")) == [UNAVAILABLE]
        assert not bench.producer.fills
        assert bench.lookup("a").vectors == vector(1)


def test_the_rows_are_gone_before_their_fills_are_asked_for() -> None:
    with running() as bench:
        bench.write({"a": vector(1)})
        left: list[object] = []
        produce = bench.producer.produce

        def look_then_produce(key: bytes, value: bytes, headers: dict[str, bytes]) -> bool:
            left.append(bench.store.read(bench.space, ["a"], timedelta(seconds=1)))
            return produce(key, value, headers)

        bench.producer.produce = look_then_produce  # type: ignore[method-assign,assignment]
        invalidate(bench, b"a")
        assert left == [{}]


def test_an_invalidation_reaches_the_previous_space_lest_a_rollback_bring_the_row_back() -> None:
    with running(embark_settings(previous=True)) as bench:
        assert bench.settings.previous is not None
        previous = bench.settings.previous.id
        bench.write({"a": vector(1)}, space=previous)
        assert statuses_of(bench.lookup("a", space=previous)) == [HIT]
        invalidate(bench, b"a")
        assert statuses_of(bench.lookup("a", space=previous)) == [SHED]


def test_a_look_up_that_read_before_an_invalidation_leaves_nothing_hot_after_it() -> None:
    with running() as bench:
        bench.write({"a": vector(1)})
        lookup, row = bench.store.lookup, vector(1)

        def look_up_then_invalidate(space: str, keys: list[str], timeout: timedelta) -> object:
            found = lookup(space, keys, timeout)
            bench.store.lookup = lookup  # type: ignore[method-assign]
            invalidate(bench, b"a")
            return found

        bench.store.lookup = look_up_then_invalidate  # type: ignore[method-assign,assignment]
        assert bench.lookup("a").vectors == row
        assert statuses_of(bench.lookup("a")) == [PENDING]


@pytest.mark.parametrize(
    "call",
    [
        lambda stub, keys: stub.Prefetch(pb.PrefetchRequest(keys=keys), timeout=30),
        lambda stub, keys: stub.Invalidate(pb.InvalidateRequest(keys=keys), timeout=30),
    ],
    ids=["Prefetch", "Invalidate"],
)
@pytest.mark.parametrize("count", [0, 1025])
def test_changes_keep_to_the_limit_of_keys(call: Callable[[object, list[bytes]], object], count: int) -> None:
    with running() as bench:
        with pytest.raises(grpc.RpcError) as refused:
            call(bench.stub, [b"k"] * count)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
