"""Lookups over gRPC: hot tier, then store, then OOV and one fill request; rows in the order of the keys."""

from datetime import timedelta
from typing import NoReturn

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from embark.causes import Cause, CauseKind
from embark.errors import UnavailableError
from embark.service_names import EMBARK_SERVICE
from embark.statuses import KeyStatus
from embark.store import Negative
from embark.topic.memory import MemoryTopic
from embark.v1 import embark_pb2 as pb
from embark.v1 import types_pb2
from embark_testing.embark.harness import NBYTES, ZEROS, embark_settings, read_rows, read_statuses, running, vector

HIT, ENQUEUED, PENDING = KeyStatus.HIT, KeyStatus.OOV_ENQUEUED, KeyStatus.OOV_PENDING
NEGATIVE, SHED, INVALID = KeyStatus.NEGATIVE, KeyStatus.SHED, KeyStatus.INVALID


def test_a_key_is_oov_until_its_embedding_is_written() -> None:
    with running() as harness:
        first = harness.lookup("a")
        assert (read_statuses(first), first.vectors) == ([ENQUEUED], ZEROS)
        assert (first.space, first.dimension, first.dtype) == (harness.space, 4, types_pb2.D_TYPE_FLOAT32)
        assert read_statuses(harness.lookup("a")) == [PENDING]
        harness.write({"a": vector(1)})
        found = harness.lookup("a")
        assert (read_statuses(found), found.vectors) == ([HIT], vector(1))


def test_1024_keys_with_512_misses_are_answered_with_all_rows_in_order() -> None:
    with running() as harness:
        keys = [f"https://example.com/{n}" for n in range(1024)]
        harness.write({key: vector(n) for n, key in enumerate(keys) if n % 2})
        response = harness.lookup(*keys)
        assert read_rows(response) == [vector(n) if n % 2 else ZEROS for n in range(1024)]
        assert read_statuses(response) == [ENQUEUED, HIT] * 512
        assert [fill.key.decode() for fill in harness.producer.fills] == keys[::2]
        assert len(harness.store.reads) == 1


def test_a_thousand_concurrent_lookups_of_one_cold_key_produce_one_record() -> None:
    with running() as harness:
        request = pb.LookupRequest(keys=[b"cold"])
        calls = [harness.stub.Lookup.future(request, timeout=60) for _ in range(1000)]
        statuses = [read_statuses(call.result())[0] for call in calls]
        assert len(harness.producer.fills) == 1
        assert sorted(statuses) == [ENQUEUED] + [PENDING] * 999


def test_a_miss_is_requested_again_after_the_repeat_window() -> None:
    with running() as harness:
        harness.lookup("a")
        harness.clock.advance(harness.settings.repeat_window - timedelta(milliseconds=1))
        assert read_statuses(harness.lookup("a")) == [PENDING]
        harness.clock.advance(timedelta(milliseconds=1))
        assert read_statuses(harness.lookup("a")) == [ENQUEUED]


def test_equal_keys_in_one_request_share_one_outcome_and_one_record() -> None:
    with running() as harness:
        harness.write({"a": vector(1)})
        response = harness.lookup("x", "a", "x", "a")
        assert read_statuses(response) == [ENQUEUED, HIT, ENQUEUED, HIT]
        assert read_rows(response) == [ZEROS, vector(1), ZEROS, vector(1)]
        assert len(harness.producer.fills) == 1


def test_a_hot_row_is_served_without_the_store_until_its_ttl_has_passed() -> None:
    with running() as harness:
        harness.write({"a": vector(1)})
        assert [read_statuses(harness.lookup("a", "a")) for _ in range(3)] == [[HIT, HIT]] * 3
        assert len(harness.store.reads) == 1
        harness.clock.advance(harness.settings.serving.hot_tier.ttl)
        assert harness.lookup("a").vectors == vector(1)
        assert len(harness.store.reads) == 2


def test_a_hot_row_past_its_own_expiry_is_a_miss() -> None:
    with running() as harness:
        harness.write({"a": vector(1)}, expires_at=harness.clock() + 5_000_000)
        assert read_statuses(harness.lookup("a")) == [HIT]
        harness.clock.advance(timedelta(seconds=5))
        assert read_statuses(harness.lookup("a")) == [ENQUEUED]


def test_a_negative_is_answered_with_its_cause_and_not_requested_again() -> None:
    with running() as harness:
        harness.store.write(
            harness.space, [Negative("a", Cause(CauseKind.NOT_FOUND, "404"), 1, harness.clock() + 10**9)]
        )
        for _ in range(2):
            response = harness.lookup("b", "a")
            assert read_statuses(response)[1] is NEGATIVE
            assert dict(response.causes) == {1: types_pb2.Cause(kind=types_pb2.CAUSE_KIND_NOT_FOUND, detail="404")}
            assert read_rows(response)[1] == ZEROS
        assert [fill.key for fill in harness.producer.fills] == [b"b"]
        # The negative became hot: the second read was only for the other key.
        assert [list(keys) for keys in harness.store.reads] == [["b", "a"], ["b"]]


@pytest.mark.parametrize("bad", [b"", b"x" * 1_000_000, b"caf\xe9", b"a\0b"], ids=["empty", "1MB", "not UTF-8", "NUL"])
def test_an_invalid_key_does_not_affect_the_other_31(bad: bytes) -> None:
    with running() as harness:
        good = [f"https://example.com/{n}" for n in range(31)]
        harness.write({key: vector(n) for n, key in enumerate(good)})
        response = harness.lookup(*good[:7], bad, *good[7:])
        assert read_statuses(response) == [HIT] * 7 + [INVALID] + [HIT] * 24
        assert read_rows(response) == [*map(vector, range(7)), ZEROS, *map(vector, range(7, 31))]
        assert {index: cause.kind for index, cause in response.causes.items()} == {7: types_pb2.CAUSE_KIND_INVALID_KEY}
        assert not harness.producer.fills


def test_a_full_topic_never_delays_a_lookup_and_the_key_can_be_requested_again() -> None:
    topic = MemoryTopic(partitions=1, capacity=1)
    consumer = topic.consumer("kfc")
    with running(producer=topic.producer()) as harness:
        assert read_statuses(harness.lookup("a", "b")) == [ENQUEUED, SHED]
        records = consumer.poll(10, timedelta(seconds=10))
        consumer.commit({0: records[-1].offset + 1})
        assert read_statuses(harness.lookup("a", "b")) == [PENDING, ENQUEUED]
    topic.close()


def test_a_record_carries_the_key_the_time_and_the_trace_of_the_caller() -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    with running() as harness:
        harness.stub.Lookup(pb.LookupRequest(keys=[b"a"]), timeout=30, metadata=(("traceparent", trace),))
        harness.lookup("b")
        assert harness.producer.records == [(b"a", {"traceparent": trace.encode()}), (b"b", {})]
        fill = harness.producer.fills[0]
        assert (fill.key, fill.requested_at, fill.not_before) == (b"a", harness.clock(), 0)


def test_a_row_of_the_wrong_length_is_never_served_and_is_overwritten(caplog: pytest.LogCaptureFixture) -> None:
    with running() as harness:
        harness.write({"bad": bytes(NBYTES - 4), "good": vector(1)})
        response = harness.lookup("bad", "good")
        assert (read_statuses(response), read_rows(response)) == ([ENQUEUED, HIT], [ZEROS, vector(1)])
        # KFC accepts no row from before this time, so it overwrites this one.
        assert harness.producer.fills[0].not_before == harness.clock() + 1
        assert harness.counted("embark_unservable_rows_total") == 1
        assert [record.__dict__["key"] for record in caplog.records if hasattr(record, "key")] == ["bad"]


def test_no_fill_is_requested_that_would_keep_a_row_of_the_wrong_length(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> NoReturn:
        raise UnavailableError("store", "the time of the row is not available")

    with running() as harness:
        harness.write({"bad": bytes(NBYTES - 4)})
        monkeypatch.setattr(harness.store, "read", fail)
        assert read_statuses(harness.lookup("bad")) == [KeyStatus.UNAVAILABLE]
        assert harness.producer.fills == []


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        (pb.LookupRequest(keys=[b"k"] * 1025), grpc.StatusCode.INVALID_ARGUMENT, "1025 keys; at most 1024"),
        (pb.LookupRequest(), grpc.StatusCode.INVALID_ARGUMENT, "no keys"),
        (pb.LookupRequest(keys=[b"k"], space="feedfeedfeed"), grpc.StatusCode.NOT_FOUND, "(active)"),
        (pb.LookupRequest(keys=[b"k"], wait_budget=Duration(seconds=-1)), grpc.StatusCode.INVALID_ARGUMENT, "negative"),
    ],
    ids=["too many keys", "no keys", "unknown space", "negative wait_budget"],
)
def test_a_request_beyond_a_limit_is_refused_with_the_reason(
    request_: pb.LookupRequest, code: grpc.StatusCode, message: str
) -> None:
    with running() as harness:
        with pytest.raises(grpc.RpcError) as refused:
            harness.stub.Lookup(request_, timeout=30)
        assert refused.value.code() is code
        assert message in str(refused.value.details())
        assert harness.counted("embark_refused_calls_total", code=code.name) == 1
        assert not harness.producer.fills


def test_a_malformed_message_is_refused() -> None:
    with running() as harness:
        lookup: grpc.UnaryUnaryMultiCallable[bytes, bytes] = harness.channel.unary_unary(f"/{EMBARK_SERVICE}/Lookup")
        with pytest.raises(grpc.RpcError) as refused:
            lookup(b"\xff\xff\xff", timeout=30)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_the_previous_space_is_served_when_pinned_and_never_filled() -> None:
    with running(embark_settings(previous=True)) as harness:
        assert harness.settings.previous is not None
        previous = harness.settings.previous.id
        harness.write({"a": vector(7)}, space=previous)
        response = harness.lookup("a", "b", space=previous)
        assert (response.space, read_statuses(response)) == (previous, [HIT, SHED])
        assert read_rows(response) == [vector(7), ZEROS]
        assert not harness.producer.fills
        # Spaces never mix, not even in the hot tier.
        assert read_statuses(harness.lookup("a", space=harness.space)) == [ENQUEUED]


def test_statuses_are_counted() -> None:
    with running() as harness:
        harness.write({"a": vector(1)})
        for _ in range(3):
            harness.lookup("a", "a", "x")
        harness.lookup("a", "a")
        counted = {
            status: harness.counted("embark_keys_total", method="Lookup", space="active", status=status.name)
            for status in (HIT, ENQUEUED, PENDING)
        }
        assert counted == {HIT: 8, ENQUEUED: 1, PENDING: 2}
        assert (
            harness.counted("embark_lookup_seconds_count")
            == harness.counted("embark_lookup_seconds_bucket", le="+Inf")
            == 4
        )
        assert harness.counted("embark_lookup_seconds_sum") > 0
        assert harness.counted("embark_hot_tier_rows") == 1
