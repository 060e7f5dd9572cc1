from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from embark.retries import Backoff
from embark.topic import Record
from kfc.fill.in_flight import InFlightKeys
from kfc.requests import FillRequest


def request(key: str, offset: int = 0, not_before: int = 0, traceparent: str | None = None) -> FillRequest:
    return FillRequest(Record("t", 0, offset, key.encode(), b""), key, not_before, traceparent)


def in_flight(max_attempts: int = 3) -> InFlightKeys:
    return InFlightKeys(max_attempts, Backoff(1.0, 60.0, lambda: 1.0))


def keys(state: InFlightKeys, limit: int = 100, now: float = 0.0) -> list[str]:
    return [task.key for task in state.take(limit, now)]


def test_a_key_is_taken_once_for_any_number_of_requests() -> None:
    state = in_flight()
    for offset in range(5):
        state.add(request("a", offset))
    assert keys(state) == ["a"]
    state.add(request("a", 5))
    assert keys(state) == []
    assert len(state.take_answered("a", at=10)) == 6
    state.complete("a")
    assert state.next_due(0.0) is None


def test_keys_are_taken_in_order_and_up_to_the_limit() -> None:
    state = in_flight()
    for key in "abc":
        state.add(request(key))
    assert keys(state, limit=2) == ["a", "b"]
    assert keys(state, limit=2) == ["c"]


def test_a_task_carries_the_latest_not_before_and_the_first_trace() -> None:
    state = in_flight()
    state.add(request("a", 0, not_before=5))
    state.add(request("a", 1, not_before=9, traceparent="first"))
    state.add(request("a", 2, not_before=7, traceparent="second"))
    (task,) = state.take(1, 0.0)
    assert (task.not_before, task.traceparent) == (9, "first")


def test_a_record_that_needs_a_younger_row_makes_its_key_ready_again() -> None:
    state = in_flight()
    state.add(request("a", 0))
    assert keys(state) == ["a"]
    state.add(request("a", 1, not_before=101))
    state.add(request("a", 2, not_before=100))
    assert [a.record.offset for a in state.take_answered("a", at=100)] == [0, 2]
    assert keys(state) == []  # not before the first completes
    state.complete("a")
    assert keys(state) == ["a"]
    assert [a.record.offset for a in state.take_answered("a", at=101)] == [1]


def test_a_failed_key_waits_while_others_are_taken() -> None:
    state = in_flight()
    state.add(request("a"))
    keys(state)
    assert state.fail("a", now=0.0)
    state.add(request("b"))
    assert keys(state, now=0.9) == ["b"]
    assert state.next_due(0.9) == 1.0
    assert keys(state, now=1.0) == ["a"]


def test_a_key_has_as_many_attempts_as_the_cache_allows() -> None:
    state = in_flight(max_attempts=3)
    state.add(request("a"))
    assert keys(state) == ["a"]
    assert state.fail("a", now=0.0)
    assert keys(state, now=1.0) == ["a"]
    assert state.fail("a", now=1.0)
    assert keys(state, now=2.9) == []  # the second wait is twice the first
    assert keys(state, now=3.0) == ["a"]
    assert not state.fail("a", now=3.0)
    assert state.attempts("a") == 3


def test_a_request_after_the_last_attempt_began_has_attempts_of_its_own() -> None:
    state = in_flight(max_attempts=1)
    state.add(request("a", 0))
    keys(state)
    state.add(request("a", 1, not_before=50))
    assert not state.fail("a", now=0.0)
    state.take_answered("a", at=10)
    state.complete("a")
    assert keys(state) == ["a"]
    assert state.attempts("a") == 0


STEPS = st.lists(
    st.tuples(st.sampled_from(["request", "take", "complete", "fail", "wait"]), st.integers(0, 3)), max_size=80
)


@given(STEPS)
def test_no_record_is_ever_lost_or_answered_twice(steps: list[tuple[str, int]]) -> None:
    state, now, offset = in_flight(max_attempts=2), 0.0, 0
    taken_keys: list[str] = []
    answered: Counter[int] = Counter()
    for step, choice in [*steps, *[("wait", 3), ("take", 3), *[("complete", 0)] * 4] * 3]:
        if step == "request":
            state.add(request(f"key {choice}", offset, not_before=int(now) + choice))
            offset += 1
        elif step == "take":
            taken = keys(state, limit=choice + 1, now=now)
            assert not set(taken) & set(taken_keys)
            taken_keys += taken
        elif step == "wait":
            now += 10.0 * choice
        elif taken_keys:
            key = taken_keys.pop(choice % len(taken_keys))
            if step == "complete" or not state.fail(key, now):
                answered.update(a.record.offset for a in state.take_answered(key, at=int(now) + choice))
                state.complete(key)
    assert set(answered) == set(range(offset))
    assert set(answered.values()) <= {1}
