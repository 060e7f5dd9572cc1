from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from embark.retries import Backoff
from embark.topic import Record
from kfc.fill.in_flight import InFlightKeys
from kfc.requests import FillRequest


def ask(key: str, offset: int = 0, not_before: int = 0, traceparent: str | None = None) -> FillRequest:
    return FillRequest(Record("t", 0, offset, key.encode(), b""), key, not_before, traceparent)


def flights(max_attempts: int = 3) -> InFlightKeys:
    return InFlightKeys(max_attempts, Backoff(1.0, 60.0, lambda: 1.0))


def keys(board: InFlightKeys, limit: int = 100, now: float = 0.0) -> list[str]:
    return [task.key for task in board.take(limit, now)]


def test_a_key_leaves_once_however_often_it_is_asked() -> None:
    board = flights()
    for offset in range(5):
        board.attach(ask("a", offset))
    assert keys(board) == ["a"]
    board.attach(ask("a", 5))
    assert keys(board) == []
    assert len(board.take_answered("a", at=10)) == 6
    board.complete("a")
    assert board.next_due(0.0) is None


def test_keys_leave_in_order_and_up_to_the_limit() -> None:
    board = flights()
    for key in "abc":
        board.attach(ask(key))
    assert keys(board, limit=2) == ["a", "b"]
    assert keys(board, limit=2) == ["c"]


def test_a_task_carries_the_latest_not_before_and_the_first_trace() -> None:
    board = flights()
    board.attach(ask("a", 0, not_before=5))
    board.attach(ask("a", 1, not_before=9, traceparent="first"))
    board.attach(ask("a", 2, not_before=7, traceparent="second"))
    (task,) = board.take(1, 0.0)
    assert (task.not_before, task.traceparent) == (9, "first")


def test_a_record_that_needs_a_younger_row_makes_its_key_leave_once_more() -> None:
    board = flights()
    board.attach(ask("a", 0))
    assert keys(board) == ["a"]
    board.attach(ask("a", 1, not_before=101))
    board.attach(ask("a", 2, not_before=100))
    assert [a.record.offset for a in board.take_answered("a", at=100)] == [0, 2]
    assert keys(board) == []  # not before the first is over
    board.complete("a")
    assert keys(board) == ["a"]
    assert [a.record.offset for a in board.take_answered("a", at=101)] == [1]


def test_a_failed_key_waits_for_its_time_while_others_leave() -> None:
    board = flights()
    board.attach(ask("a"))
    keys(board)
    assert board.fail("a", now=0.0)
    board.attach(ask("b"))
    assert keys(board, now=0.9) == ["b"]
    assert board.next_due(0.9) == 1.0
    assert keys(board, now=1.0) == ["a"]


def test_a_key_is_used_up_after_the_attempts_that_the_cache_allows() -> None:
    board = flights(max_attempts=3)
    board.attach(ask("a"))
    assert keys(board) == ["a"]
    assert board.fail("a", now=0.0)
    assert keys(board, now=1.0) == ["a"]
    assert board.fail("a", now=1.0)
    assert keys(board, now=2.9) == []  # the second wait is twice the first
    assert keys(board, now=3.0) == ["a"]
    assert not board.fail("a", now=3.0)
    assert board.attempts("a") == 3


def test_a_request_that_came_too_late_for_the_last_attempt_has_attempts_of_its_own() -> None:
    board = flights(max_attempts=1)
    board.attach(ask("a", 0))
    keys(board)
    board.attach(ask("a", 1, not_before=50))
    assert not board.fail("a", now=0.0)
    board.take_answered("a", at=10)
    board.complete("a")
    assert keys(board) == ["a"]
    assert board.attempts("a") == 0


STEPS = st.lists(st.tuples(st.sampled_from(["ask", "take", "land", "fail", "wait"]), st.integers(0, 3)), max_size=80)


@given(STEPS)
def test_no_record_is_ever_lost_or_answered_twice(steps: list[tuple[str, int]]) -> None:
    board, now, offset = flights(max_attempts=2), 0.0, 0
    under_way: list[str] = []
    answered: Counter[int] = Counter()
    for step, choice in [*steps, *[("wait", 3), ("take", 3), *[("land", 0)] * 4] * 3]:
        if step == "ask":
            board.attach(ask(f"key {choice}", offset, not_before=int(now) + choice))
            offset += 1
        elif step == "take":
            taken = keys(board, limit=choice + 1, now=now)
            assert not set(taken) & set(under_way)
            under_way += taken
        elif step == "wait":
            now += 10.0 * choice
        elif under_way:
            key = under_way.pop(choice % len(under_way))
            if step == "land" or not board.fail(key, now):
                answered.update(a.record.offset for a in board.take_answered(key, at=int(now) + choice))
                board.complete(key)
    assert set(answered) == set(range(offset))
    assert set(answered.values()) <= {1}
