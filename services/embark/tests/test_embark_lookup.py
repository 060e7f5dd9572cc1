"""Look-ups over gRPC: hot tier, then store, then OOV and one fill; every row in the order asked."""

from datetime import timedelta
from typing import NoReturn

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from embark.causes import Cause, CauseKind
from embark.errors import UnavailableError
from embark.statuses import KeyStatus
from embark.store import Negative
from embark.topic.memory import MemoryTopic
from embark.v1 import embark_pb2 as pb
from embark.v1 import types_pb2
from embark_testing.embark.parts import NBYTES, ZEROS, embark_settings, rows_of, running, statuses_of, vector

HIT, ENQUEUED, PENDING = KeyStatus.HIT, KeyStatus.OOV_ENQUEUED, KeyStatus.OOV_PENDING
NEGATIVE, SHED, INVALID = KeyStatus.NEGATIVE, KeyStatus.SHED, KeyStatus.INVALID


def test_a_key_goes_from_oov_to_its_embedding() -> None:
    with running() as bench:
        first = bench.lookup("a")
        assert (statuses_of(first), first.vectors) == ([ENQUEUED], ZEROS)
        assert (first.space, first.dimension, first.dtype) == (bench.space, 4, types_pb2.D_TYPE_FLOAT32)
        assert statuses_of(bench.lookup("a")) == [PENDING]
        bench.write({"a": vector(1)})
        found = bench.lookup("a")
        assert (statuses_of(found), found.vectors) == ([HIT], vector(1))


def test_1024_keys_of_which_512_are_cold_are_answered_with_all_rows_in_order() -> None:
    with running() as bench:
        keys = [f"https://example.com/{n}" for n in range(1024)]
        bench.write({key: vector(n) for n, key in enumerate(keys) if n % 2})
        response = bench.lookup(*keys)
        assert rows_of(response) == [vector(n) if n % 2 else ZEROS for n in range(1024)]
        assert statuses_of(response) == [ENQUEUED, HIT] * 512
        assert [fill.key.decode() for fill in bench.producer.fills] == keys[::2]
        assert len(bench.store.reads) == 1


def test_a_thousand_concurrent_look_ups_of_one_cold_key_send_one_record() -> None:
    with running() as bench:
        request = pb.LookupRequest(keys=[b"cold"])
        calls = [bench.stub.Lookup.future(request, timeout=60) for _ in range(1000)]
        statuses = [statuses_of(call.result())[0] for call in calls]
        assert len(bench.producer.fills) == 1
        assert sorted(statuses) == [ENQUEUED] + [PENDING] * 999


def test_a_miss_is_sent_again_when_its_window_is_over() -> None:
    with running() as bench:
        bench.lookup("a")
        bench.clock.advance(bench.settings.repeat_window - timedelta(milliseconds=1))
        assert statuses_of(bench.lookup("a")) == [PENDING]
        bench.clock.advance(timedelta(milliseconds=1))
        assert statuses_of(bench.lookup("a")) == [ENQUEUED]


def test_a_key_asked_twice_in_one_request_has_one_outcome_and_one_record() -> None:
    with running() as bench:
        bench.write({"a": vector(1)})
        response = bench.lookup("x", "a", "x", "a")
        assert statuses_of(response) == [ENQUEUED, HIT, ENQUEUED, HIT]
        assert rows_of(response) == [ZEROS, vector(1), ZEROS, vector(1)]
        assert len(bench.producer.fills) == 1


def test_a_hot_row_is_served_without_the_store_until_its_ttl_is_over() -> None:
    with running() as bench:
        bench.write({"a": vector(1)})
        assert [statuses_of(bench.lookup("a", "a")) for _ in range(3)] == [[HIT, HIT]] * 3
        assert len(bench.store.reads) == 1
        bench.clock.advance(bench.settings.serving.hot_tier.ttl)
        assert bench.lookup("a").vectors == vector(1)
        assert len(bench.store.reads) == 2


def test_a_row_past_its_own_expiry_is_a_miss_although_it_was_hot() -> None:
    with running() as bench:
        bench.write({"a": vector(1)}, expires_at=bench.clock() + 5_000_000)
        assert statuses_of(bench.lookup("a")) == [HIT]
        bench.clock.advance(timedelta(seconds=5))
        assert statuses_of(bench.lookup("a")) == [ENQUEUED]


def test_a_negative_is_answered_with_its_cause_and_asked_for_no_more() -> None:
    with running() as bench:
        bench.store.write(bench.space, [Negative("a", Cause(CauseKind.NOT_FOUND, "404"), 1, bench.clock() + 10**9)])
        for _ in range(2):
            response = bench.lookup("b", "a")
            assert statuses_of(response)[1] is NEGATIVE
            assert dict(response.causes) == {1: types_pb2.Cause(kind=types_pb2.CAUSE_KIND_NOT_FOUND, detail="404")}
            assert rows_of(response)[1] == ZEROS
        assert [fill.key for fill in bench.producer.fills] == [b"b"]
        # The negative became hot: the second read asked for the other key alone.
        assert [list(keys) for keys in bench.store.reads] == [["b", "a"], ["b"]]


@pytest.mark.parametrize("bad", [b"", b"x" * 1_000_000, b"caf\xe9", b"a\0b"], ids=["empty", "1MB", "not UTF-8", "NUL"])
def test_one_bad_key_never_harms_the_31_beside_it(bad: bytes) -> None:
    with running() as bench:
        good = [f"https://example.com/{n}" for n in range(31)]
        bench.write({key: vector(n) for n, key in enumerate(good)})
        response = bench.lookup(*good[:7], bad, *good[7:])
        assert statuses_of(response) == [HIT] * 7 + [INVALID] + [HIT] * 24
        assert rows_of(response) == [*map(vector, range(7)), ZEROS, *map(vector, range(7, 31))]
        assert {index: cause.kind for index, cause in response.causes.items()} == {7: types_pb2.CAUSE_KIND_INVALID_KEY}
        assert not bench.producer.fills


def test_a_full_topic_never_delays_a_look_up_and_the_key_can_be_asked_for_again() -> None:
    topic = MemoryTopic(partitions=1, capacity=1)
    consumer = topic.consumer("kfc")
    with running(producer=topic.producer()) as bench:
        assert statuses_of(bench.lookup("a", "b")) == [ENQUEUED, SHED]
        records = consumer.poll(10, timedelta(seconds=10))
        consumer.commit({0: records[-1].offset + 1})
        assert statuses_of(bench.lookup("a", "b")) == [PENDING, ENQUEUED]
    topic.close()


def test_a_record_holds_the_key_the_time_and_the_callers_trace() -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    with running() as bench:
        bench.stub.Lookup(pb.LookupRequest(keys=[b"a"]), timeout=30, metadata=(("traceparent", trace),))
        bench.lookup("b")
        assert bench.producer.records == [(b"a", {"traceparent": trace.encode()}), (b"b", {})]
        fill = bench.producer.fills[0]
        assert (fill.key, fill.requested_at, fill.not_before) == (b"a", bench.clock(), 0)


def test_a_row_of_another_length_is_never_served_and_is_written_over(caplog: pytest.LogCaptureFixture) -> None:
    with running() as bench:
        bench.write({"bad": bytes(NBYTES - 4), "good": vector(1)})
        response = bench.lookup("bad", "good")
        assert (statuses_of(response), rows_of(response)) == ([ENQUEUED, HIT], [ZEROS, vector(1)])
        # KFC takes no row from before this time for a good one, so it writes over this one.
        assert bench.producer.fills[0].not_before == bench.clock() + 1
        assert bench.counted("embark_unservable_rows_total") == 1
        assert [record.__dict__["key"] for record in caplog.records if hasattr(record, "key")] == ["bad"]


def test_no_fill_is_asked_for_that_would_leave_a_row_of_another_length(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> NoReturn:
        raise UnavailableError("store", "it does not say when the row was written")

    with running() as bench:
        bench.write({"bad": bytes(NBYTES - 4)})
        monkeypatch.setattr(bench.store, "read", fail)
        assert statuses_of(bench.lookup("bad")) == [KeyStatus.UNAVAILABLE]
        assert bench.producer.fills == []


@pytest.mark.parametrize(
    ("request_", "code", "said"),
    [
        (pb.LookupRequest(keys=[b"k"] * 1025), grpc.StatusCode.INVALID_ARGUMENT, "1025 keys; at most 1024"),
        (pb.LookupRequest(), grpc.StatusCode.INVALID_ARGUMENT, "no keys"),
        (pb.LookupRequest(keys=[b"k"], space="feedfeedfeed"), grpc.StatusCode.NOT_FOUND, "(active)"),
        (pb.LookupRequest(keys=[b"k"], wait_budget=Duration(seconds=-1)), grpc.StatusCode.INVALID_ARGUMENT, "negative"),
    ],
    ids=["too many keys", "no keys", "unknown space", "negative wait_budget"],
)
def test_a_request_out_of_bounds_is_refused_and_says_why(
    request_: pb.LookupRequest, code: grpc.StatusCode, said: str
) -> None:
    with running() as bench:
        with pytest.raises(grpc.RpcError) as refused:
            bench.stub.Lookup(request_, timeout=30)
        assert refused.value.code() is code
        assert said in str(refused.value.details())
        assert bench.counted("embark_refused_calls_total", code=code.name) == 1
        assert not bench.producer.fills


def test_bytes_that_are_no_request_are_refused_as_such() -> None:
    with running() as bench:
        lookup: grpc.UnaryUnaryMultiCallable[bytes, bytes] = bench.channel.unary_unary(
            "/embark.v1.EmbArkService/Lookup"
        )
        with pytest.raises(grpc.RpcError) as refused:
            lookup(b"\xff\xff\xff", timeout=30)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_the_previous_space_is_served_to_who_pins_it_and_never_filled() -> None:
    with running(embark_settings(previous=True)) as bench:
        assert bench.settings.previous is not None
        previous = bench.settings.previous.id
        bench.write({"a": vector(7)}, space=previous)
        response = bench.lookup("a", "b", space=previous)
        assert (response.space, statuses_of(response)) == (previous, [HIT, SHED])
        assert rows_of(response) == [vector(7), ZEROS]
        assert not bench.producer.fills
        # Spaces never mix, not in the hot tier either.
        assert statuses_of(bench.lookup("a", space=bench.space)) == [ENQUEUED]


def test_statuses_are_counted() -> None:
    with running() as bench:
        bench.write({"a": vector(1)})
        for _ in range(3):
            bench.lookup("a", "a", "x")
        bench.lookup("a", "a")
        counted = {
            status: bench.counted("embark_keys_total", method="Lookup", space="active", status=status.name)
            for status in (HIT, ENQUEUED, PENDING)
        }
        assert counted == {HIT: 8, ENQUEUED: 1, PENDING: 2}
        assert (
            bench.counted("embark_lookup_seconds_count")
            == bench.counted("embark_lookup_seconds_bucket", le="+Inf")
            == 4
        )
        assert bench.counted("embark_lookup_seconds_sum") > 0
        assert bench.counted("embark_hot_tier_rows") == 1
