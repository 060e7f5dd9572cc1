"""A store that fails or hangs never keeps a look-up from its answer, and nothing is asked for that may be there."""

from collections.abc import Iterator

import grpc
import pytest

from embark.errors import UnavailableError
from embark.statuses import KeyStatus
from embark.v1 import embark_pb2 as pb
from embark_server.guarded_store import time_for_waiting
from embark_server.limits import DEFAULT_LIMITS, DEFAULT_TIMEOUTS
from embark_testing.embark.parts import ZEROS, Bench, embark_settings, rows_of, running, statuses_of, vector
from embark_testing.eventually import eventually

HIT, ENQUEUED, UNAVAILABLE = KeyStatus.HIT, KeyStatus.OOV_ENQUEUED, KeyStatus.UNAVAILABLE


@pytest.fixture
def bench() -> Iterator[Bench]:
    with running(embark_settings(embark={"readTimeout": "20ms"})) as made:
        made.write({"hot": vector(1), "cold": vector(2)})
        eventually(lambda: statuses_of(made.lookup("hot")) == [HIT])
        yield made


def assert_only_hot_rows(bench: Bench) -> None:
    request = pb.LookupRequest(keys=[b"cold", b"hot", b"new"])
    response = bench.stub.Lookup(request, timeout=30)
    assert statuses_of(response) == [UNAVAILABLE, HIT, UNAVAILABLE]
    assert rows_of(response) == [ZEROS, vector(1), ZEROS]


def test_a_failing_store_is_unavailable_with_oov_and_nothing_is_asked_for(bench: Bench) -> None:
    bench.store.failing.set()
    assert_only_hot_rows(bench)
    assert not bench.producer.fills


def test_a_slow_store_is_unavailable_with_oov_and_nothing_is_asked_for(bench: Bench) -> None:
    bench.store.gate.clear()
    assert_only_hot_rows(bench)
    assert not bench.producer.fills


def test_a_slow_store_is_answered_for_within_the_callers_deadline() -> None:
    with running() as bench:
        bench.store.gate.clear()
        # Without the deadline the store could take the 20 s of readTimeout.
        response = bench.stub.Lookup(pb.LookupRequest(keys=[b"a"]), timeout=2)
        assert statuses_of(response) == [UNAVAILABLE]


def test_what_was_unavailable_is_asked_for_when_the_store_is_back(bench: Bench) -> None:
    bench.store.failing.set()
    assert_only_hot_rows(bench)
    bench.store.failing.clear()
    assert statuses_of(bench.lookup("cold", "new")) == [HIT, ENQUEUED]


def test_a_dead_store_is_not_asked_again_until_a_probe_of_it_succeeds(bench: Bench) -> None:
    bench.store.failing.set()
    for _ in range(DEFAULT_LIMITS.store_failures):
        assert_only_hot_rows(bench)
    assert bench.counted("embark_store_breaker_open") == 1
    asked = len(bench.store.reads)
    for _ in range(10):
        assert_only_hot_rows(bench)
    assert len(bench.store.reads) == asked
    bench.clock.advance(DEFAULT_TIMEOUTS.store_probe)
    assert_only_hot_rows(bench)
    assert len(bench.store.reads) == asked + 1
    bench.store.failing.clear()
    assert_only_hot_rows(bench)
    bench.clock.advance(DEFAULT_TIMEOUTS.store_probe)
    assert statuses_of(bench.lookup("cold", "new")) == [HIT, ENQUEUED]
    assert bench.counted("embark_store_breaker_open") == 0


def test_callers_in_a_hurry_do_not_make_a_good_store_look_dead() -> None:
    with running() as bench:
        bench.store.gate.clear()
        for _ in range(DEFAULT_LIMITS.store_failures + 1):
            with pytest.raises(UnavailableError, match="no answer in time"):
                bench.server._store.read(bench.space, ["a"], remaining=0.1)
        bench.store.gate.set()
        assert statuses_of(bench.lookup("a")) == [ENQUEUED]


def test_hot_look_ups_are_answered_while_cold_ones_hang_in_the_store() -> None:
    with running() as bench:
        bench.write({"hot": vector(1)})
        bench.lookup("hot")
        bench.store.gate.clear()
        hanging = [bench.stub.Lookup.future(pb.LookupRequest(keys=[b"%d" % n]), timeout=60) for n in range(16)]
        eventually(lambda: len(bench.store.reads) == 17, what="16 reads hang")
        eventually(lambda: bench.server._pools.lookups._running == 0, what="none of them has a running thread's place")
        assert statuses_of(bench.lookup("hot")) == [HIT]
        assert not any(call.done() for call in hanging)
        bench.store.gate.set()
        assert [statuses_of(call.result()) for call in hanging] == [[ENQUEUED]] * 16


def test_a_closed_store_is_an_unavailable_one(bench: Bench) -> None:
    bench.store.close()
    assert_only_hot_rows(bench)


def test_an_answer_keeps_its_share_of_the_callers_time() -> None:
    assert time_for_waiting(10) == pytest.approx(9.8)
    assert time_for_waiting(0.04) == pytest.approx(0.03)
    assert time_for_waiting(0) == 0


def test_a_call_whose_time_is_over_does_not_ask_the_store(bench: Bench) -> None:
    asked = len(bench.store.reads)
    with pytest.raises(UnavailableError, match="no time left"):
        bench.server._store.read(bench.space, ["a"], 0.0)
    assert len(bench.store.reads) == asked


def test_describe_and_export_of_a_dead_store_are_unavailable_calls(bench: Bench) -> None:
    bench.store.failing.set()
    with pytest.raises(grpc.RpcError) as described:
        bench.stub.DescribeSpace(pb.DescribeSpaceRequest(), timeout=30)
    with pytest.raises(grpc.RpcError) as exported:
        list(bench.stub.Export(pb.ExportRequest(), timeout=30))
    codes = {described.value.code(), exported.value.code()}
    assert codes == {grpc.StatusCode.UNAVAILABLE}
