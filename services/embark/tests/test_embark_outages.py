"""Every lookup is answered while the store fails or hangs, and no fill is requested for a key that may have a row."""

from collections.abc import Iterator

import grpc
import pytest

from embark.errors import UnavailableError
from embark.statuses import KeyStatus
from embark.v1 import embark_pb2 as pb
from embark_server.guarded_store import time_for_waiting
from embark_server.limits import DEFAULT_LIMITS, DEFAULT_TIMEOUTS
from embark_testing.embark.harness import ZEROS, Harness, embark_settings, read_rows, read_statuses, running, vector
from embark_testing.eventually import eventually

HIT, ENQUEUED, UNAVAILABLE = KeyStatus.HIT, KeyStatus.OOV_ENQUEUED, KeyStatus.UNAVAILABLE


@pytest.fixture
def harness() -> Iterator[Harness]:
    with running(embark_settings(embark={"readTimeout": "20ms"})) as made:
        made.write({"hot": vector(1), "cold": vector(2)})
        eventually(lambda: read_statuses(made.lookup("hot")) == [HIT])
        yield made


def assert_only_hot_rows(harness: Harness) -> None:
    request = pb.LookupRequest(keys=[b"cold", b"hot", b"new"])
    response = harness.stub.Lookup(request, timeout=30)
    assert read_statuses(response) == [UNAVAILABLE, HIT, UNAVAILABLE]
    assert read_rows(response) == [ZEROS, vector(1), ZEROS]


def test_a_failing_store_means_unavailable_with_oov_and_no_fill_requests(harness: Harness) -> None:
    harness.store.failing.set()
    assert_only_hot_rows(harness)
    assert not harness.producer.fills


def test_a_slow_store_means_unavailable_with_oov_and_no_fill_requests(harness: Harness) -> None:
    harness.store.gate.clear()
    assert_only_hot_rows(harness)
    assert not harness.producer.fills


def test_a_lookup_on_a_slow_store_is_answered_within_the_deadline_of_the_caller() -> None:
    with running() as harness:
        harness.store.gate.clear()
        # Without the deadline the store could take the 20 s of readTimeout.
        response = harness.stub.Lookup(pb.LookupRequest(keys=[b"a"]), timeout=2)
        assert read_statuses(response) == [UNAVAILABLE]


def test_keys_that_were_unavailable_are_requested_once_the_store_recovers(harness: Harness) -> None:
    harness.store.failing.set()
    assert_only_hot_rows(harness)
    harness.store.failing.clear()
    assert read_statuses(harness.lookup("cold", "new")) == [HIT, ENQUEUED]


def test_a_failed_store_is_not_called_until_a_probe_succeeds(harness: Harness) -> None:
    harness.store.failing.set()
    for _ in range(DEFAULT_LIMITS.store_failures):
        assert_only_hot_rows(harness)
    assert harness.counted("embark_store_breaker_open") == 1
    reads = len(harness.store.reads)
    for _ in range(10):
        assert_only_hot_rows(harness)
    assert len(harness.store.reads) == reads
    harness.clock.advance(DEFAULT_TIMEOUTS.store_probe)
    assert_only_hot_rows(harness)
    assert len(harness.store.reads) == reads + 1
    harness.store.failing.clear()
    assert_only_hot_rows(harness)
    harness.clock.advance(DEFAULT_TIMEOUTS.store_probe)
    assert read_statuses(harness.lookup("cold", "new")) == [HIT, ENQUEUED]
    assert harness.counted("embark_store_breaker_open") == 0


def test_short_deadlines_do_not_open_the_circuit_breaker() -> None:
    with running() as harness:
        harness.store.gate.clear()
        for _ in range(DEFAULT_LIMITS.store_failures + 1):
            with pytest.raises(UnavailableError, match="no answer in time"):
                harness.server._store.read(harness.space, ["a"], remaining=0.1)
        harness.store.gate.set()
        assert read_statuses(harness.lookup("a")) == [ENQUEUED]


def test_hot_lookups_are_answered_while_cold_ones_hang_in_the_store() -> None:
    with running() as harness:
        harness.write({"hot": vector(1)})
        harness.lookup("hot")
        harness.store.gate.clear()
        hanging = [harness.stub.Lookup.future(pb.LookupRequest(keys=[b"%d" % n]), timeout=60) for n in range(16)]
        eventually(lambda: len(harness.store.reads) == 17, what="16 reads hang")
        eventually(lambda: harness.server._pools.lookups._running == 0, what="none of them occupies a slot")
        assert read_statuses(harness.lookup("hot")) == [HIT]
        assert not any(call.done() for call in hanging)
        harness.store.gate.set()
        assert [read_statuses(call.result()) for call in hanging] == [[ENQUEUED]] * 16


def test_a_closed_store_is_unavailable(harness: Harness) -> None:
    harness.store.close()
    assert_only_hot_rows(harness)


def test_time_is_reserved_for_the_answer() -> None:
    assert time_for_waiting(10) == pytest.approx(9.8)
    assert time_for_waiting(0.04) == pytest.approx(0.03)
    assert time_for_waiting(0) == 0


def test_a_call_past_its_deadline_does_not_reach_the_store(harness: Harness) -> None:
    reads = len(harness.store.reads)
    with pytest.raises(UnavailableError, match="no time left"):
        harness.server._store.read(harness.space, ["a"], 0.0)
    assert len(harness.store.reads) == reads


def test_describe_and_export_on_a_failed_store_are_unavailable(harness: Harness) -> None:
    harness.store.failing.set()
    with pytest.raises(grpc.RpcError) as described:
        harness.stub.DescribeSpace(pb.DescribeSpaceRequest(), timeout=30)
    with pytest.raises(grpc.RpcError) as exported:
        list(harness.stub.Export(pb.ExportRequest(), timeout=30))
    codes = {described.value.code(), exported.value.code()}
    assert codes == {grpc.StatusCode.UNAVAILABLE}
