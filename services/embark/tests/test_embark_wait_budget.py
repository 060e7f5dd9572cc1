"""wait_budget: a lookup may wait for its fills, without delaying others."""

from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from embark.causes import Cause, CauseKind
from embark.statuses import KeyStatus
from embark.store import Negative
from embark.v1 import embark_pb2 as pb
from embark_server.limits import DEFAULT_LIMITS
from embark_testing.embark.harness import Harness, read_rows, read_statuses, running, vector
from embark_testing.eventually import eventually

HIT, ENQUEUED, PENDING, NEGATIVE = KeyStatus.HIT, KeyStatus.OOV_ENQUEUED, KeyStatus.OOV_PENDING, KeyStatus.NEGATIVE
LONG = Duration(seconds=60)


def waiting(harness: Harness, *keys: bytes, timeout: float = 60) -> Any:
    before = len(harness.server._waits)
    call = harness.stub.Lookup.future(pb.LookupRequest(keys=keys, wait_budget=LONG), timeout=timeout)
    eventually(lambda: len(harness.server._waits) == before + 1, what="the call waits")
    return call


def test_a_waiting_lookup_is_answered_once_every_key_has_a_row_or_a_cause() -> None:
    with running() as harness:
        harness.write({"present": vector(3)})
        call = waiting(harness, b"a", b"present", b"missing", b"a")
        harness.store.write(
            harness.space, [Negative("missing", Cause(CauseKind.NOT_FOUND, "404"), 1, harness.clock() + 10**9)]
        )
        harness.write({"a": vector(1)})
        response = call.result()
        assert read_statuses(response) == [HIT, HIT, NEGATIVE, HIT]
        assert read_rows(response)[0] == read_rows(response)[3] == vector(1)
        assert response.causes[2].detail == "404"
        # The row was kept in the hot tier: the next lookup does not read the store.
        reads = len(harness.store.reads)
        assert read_statuses(harness.lookup("a")) == [HIT]
        assert len(harness.store.reads) == reads


def test_a_wait_ends_with_its_budget_and_reports_the_current_statuses() -> None:
    with running() as harness:
        harness.write({"a": vector(1)})
        assert read_statuses(harness.lookup("a", "b", wait_budget=Duration(nanos=20_000_000))) == [HIT, ENQUEUED]
        assert read_statuses(harness.lookup("b", wait_budget=Duration(nanos=20_000_000))) == [PENDING]


def test_a_wait_ends_within_the_deadline_of_the_caller() -> None:
    with running() as harness:
        response = harness.stub.Lookup(pb.LookupRequest(keys=[b"a"], wait_budget=LONG), timeout=1)
        assert read_statuses(response) == [ENQUEUED]


def test_a_lookup_without_pending_fills_does_not_wait() -> None:
    with running() as harness:
        harness.write({"a": vector(1)})
        harness.producer.full = True
        assert read_statuses(harness.lookup("a", "b", b"\xff", wait_budget=LONG)) == [HIT, KeyStatus.SHED, 7]


def test_a_wait_ends_when_the_caller_cancels() -> None:
    with running() as harness:
        call = waiting(harness, b"a")
        call.cancel()
        assert eventually(lambda: len(harness.server._waits) == 0)


def test_a_wait_survives_a_temporary_failure_of_the_store() -> None:
    with running() as harness:
        call = waiting(harness, b"a")
        harness.store.failing.set()
        failures = harness.counted("embark_store_failures_total")
        eventually(lambda: harness.counted("embark_store_failures_total") > failures)
        harness.store.failing.clear()
        harness.write({"a": vector(1)})
        harness.clock.at += 10**6
        assert read_statuses(call.result()) == [HIT]


def test_lookups_beyond_the_limit_do_not_wait_and_others_are_not_delayed() -> None:
    with running() as harness:
        harness.write({"hot": vector(1)})
        calls = [waiting(harness, b"%d" % n) for n in range(DEFAULT_LIMITS.waiting_calls)]
        assert read_statuses(harness.lookup("one more", wait_budget=LONG)) == [ENQUEUED]
        with ThreadPoolExecutor(8) as clients:
            answers = list(clients.map(lambda _: read_statuses(harness.lookup("hot")), range(64)))
        assert answers == [[HIT]] * 64
        harness.write({str(n): vector(n) for n in range(DEFAULT_LIMITS.waiting_calls)})
        assert [read_statuses(call.result()) for call in calls] == [[HIT]] * DEFAULT_LIMITS.waiting_calls


def test_a_drain_ends_waits_with_an_answer() -> None:
    with running() as harness:
        call = waiting(harness, b"a")
        stopping = Thread(target=harness.server.stop)
        stopping.start()
        assert read_statuses(call.result(timeout=30)) == [ENQUEUED]
        stopping.join(30)
        assert not stopping.is_alive()


@pytest.mark.parametrize("budget", [Duration(seconds=315_576_000_000), Duration(nanos=999_999_999)])
def test_any_valid_duration_is_accepted_as_a_budget(budget: Duration) -> None:
    with running() as harness:
        harness.write({"a": vector(1)})
        assert read_statuses(harness.lookup("a", wait_budget=budget)) == [HIT]
