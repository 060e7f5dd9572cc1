"""DescribeRollout: the progress of a re-embedding, without an effect on lookups."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import grpc
import pytest

from embark.errors import UnavailableError
from embark.statuses import KeyStatus
from embark.store import RangeProgress, RolloutStore, split_ring
from embark.store.memory import MemoryStore
from embark.store.sqlite.adapter import SqliteStore
from embark.v1 import embark_pb2 as pb
from embark_server.counts import describe_rollout
from embark_server.limits import DEFAULT_LIMITS
from embark_server.refusals import InvalidArgumentError
from embark_testing.contracts.checkpoints import begin
from embark_testing.embark.harness import Harness, guarded_store, read_statuses, running, vector
from embark_testing.eventually import eventually
from embark_testing.fake_clock import FakeClock

SPACE, OTHER = "0123456789ab", "cafecafecafe"
NOTHING = pb.DescribeRolloutResponse()


@pytest.fixture
def harness() -> Iterator[Harness]:
    with running(rows={"east": vector(1), "west": vector(2)}) as made:
        yield made


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RolloutStore]:
    clock = FakeClock()
    made: RolloutStore = MemoryStore(clock) if request.param == "memory" else SqliteStore(tmp_path / "db", clock)
    with closing(made):
        made.ensure_space(OTHER)
        yield made


def fill(store: RolloutStore, space: str) -> None:
    """Begin three of four ranges: one is finished, one is half-way, one has only begun."""
    over, half, begun, _ = split_ring(4)
    kept = store.checkpoints()
    progress = [begin(kept, space, within) for within in (over, half, begun)]
    assert kept.save(space, progress[0].advanced(over.end, done=70, failed=3))
    assert kept.save(space, progress[1].advanced((half.start + half.end) // 2, done=20, failed=1))


def describe(harness: Harness, space: str, timeout: float = 30) -> pb.DescribeRolloutResponse:
    return harness.stub.DescribeRollout(pb.DescribeRolloutRequest(space=space), timeout=timeout)


def refusal(harness: Harness, space: str) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as refused:
        describe(harness, space)
    return refused.value.code(), refused.value.details() or ""


class HeldCheckpoints:
    """Checkpoints whose `load` blocks until `gate` is set."""

    def __init__(self) -> None:
        self.loaded: list[str] = []
        self.gate = threading.Event()

    def load(self, space: str) -> Sequence[RangeProgress]:
        self.loaded.append(space)
        assert self.gate.wait(60)
        return []


def test_only_the_checkpoints_of_the_requested_space_are_summed(store: RolloutStore) -> None:
    fill(store, SPACE)
    begin(store.checkpoints(), OTHER, split_ring(1)[0])
    described = describe_rollout(SPACE, guarded_store(store))
    assert described == pb.DescribeRolloutResponse(ranges_begun=3, ranges_over=1, done=90, failed=4)
    assert describe_rollout(OTHER, guarded_store(store)) == pb.DescribeRolloutResponse(ranges_begun=1)


def test_a_space_without_a_rollout_has_zeros(store: RolloutStore) -> None:
    assert describe_rollout(SPACE, guarded_store(store)) == NOTHING
    fill(store, SPACE)
    store.drop_space(SPACE)
    assert describe_rollout(SPACE, guarded_store(store)) == NOTHING


def test_a_closed_store_is_unavailable(store: RolloutStore) -> None:
    guarded = guarded_store(store)
    store.close()
    with pytest.raises(UnavailableError, match="store"):
        describe_rollout(SPACE, guarded)


def test_a_rollout_into_a_space_that_is_not_served_is_described(harness: Harness) -> None:
    assert harness.space != SPACE
    assert describe(harness, SPACE) == NOTHING
    fill(harness.store, SPACE)
    assert describe(harness, SPACE) == pb.DescribeRolloutResponse(ranges_begun=3, ranges_over=1, done=90, failed=4)
    assert describe(harness, harness.space) == NOTHING


@pytest.mark.parametrize("space", ["", "0123456789a", "0123456789abc", "0123456789AB", "0123456789a\n", "x' OR 1=1 --"])
def test_a_malformed_space_id_is_refused_and_never_reaches_the_store(harness: Harness, space: str) -> None:
    code, details = refusal(harness, space)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "is not a space id; a space id has 12 hex digits" in details
    assert harness.counted("embark_refused_calls_total", code="INVALID_ARGUMENT") == 1
    with pytest.raises(InvalidArgumentError):
        describe_rollout(space, guarded_store(harness.store))


def test_failing_checkpoints_make_the_call_unavailable_and_fail_no_lookup(harness: Harness) -> None:
    harness.store.failing.set()
    for _ in range(10):
        code, details = refusal(harness, SPACE)
        assert code is grpc.StatusCode.UNAVAILABLE
        assert "switched off by the test" in details
    assert harness.counted("embark_store_failures_total") == 10
    harness.store.failing.clear()
    assert harness.counted("embark_store_breaker_open") == 0
    assert read_statuses(harness.lookup("east")) == [KeyStatus.HIT]


def test_a_rollout_is_described_while_the_circuit_breaker_is_open(harness: Harness) -> None:
    fill(harness.store, SPACE)
    harness.store.failing.set()
    while not harness.counted("embark_store_breaker_open"):
        assert read_statuses(harness.lookup("new")) == [KeyStatus.UNAVAILABLE]
    harness.store.failing.clear()
    assert describe(harness, SPACE).done == 90
    assert harness.counted("embark_store_breaker_open") == 1


def test_hanging_checkpoints_delay_neither_lookups_nor_changes(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = HeldCheckpoints()
    monkeypatch.setattr(harness.store, "checkpoints", lambda: held)
    request = pb.DescribeRolloutRequest(space=SPACE)
    calls = [harness.stub.DescribeRollout.future(request, timeout=60) for _ in range(20)]
    try:
        eventually(lambda: len(held.loaded) == DEFAULT_LIMITS.search_threads, what="every thread of searches hangs")
        assert read_statuses(harness.lookup("west", "new")) == [KeyStatus.HIT, KeyStatus.OOV_ENQUEUED]
        put = pb.PutRequest(space=harness.space, keys=[b"put"], vectors=vector(1))
        assert read_statuses(harness.stub.Put(put, timeout=30)) == [KeyStatus.HIT]
        assert not any(call.done() for call in calls)
    finally:
        held.gate.set()
    assert all(call.result() == NOTHING for call in calls)
