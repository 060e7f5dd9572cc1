"""Concurrent misses of a key produce one record per repeat window."""

import threading
from concurrent.futures import ThreadPoolExecutor

from embark_server.fills import RepeatWindow


def test_a_key_is_claimed_once_per_window() -> None:
    window = RepeatWindow(100)
    assert window.claim([b"a", b"b"], 0) == {b"a", b"b"}
    assert window.claim([b"a", b"c"], 99) == {b"c"}
    assert window.claim([b"a"], 100) == {b"a"}


def test_exactly_one_of_many_concurrent_claims_of_a_key_succeeds() -> None:
    window = RepeatWindow(100)
    start = threading.Barrier(16)

    def claim(_: int) -> int:
        start.wait()
        return sum(len(window.claim([b"%d" % n], 0)) for n in range(200))

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(claim, range(16))) == 200


def test_a_forgotten_key_can_be_claimed_again_immediately() -> None:
    window = RepeatWindow(100)
    window.claim([b"a"], 0)
    window.forget([b"a", b"absent"])
    assert window.claim([b"a"], 1) == {b"a"}


def test_marking_a_key_again_restarts_its_window() -> None:
    window = RepeatWindow(100)
    window.mark([b"a"], 0)
    window.mark([b"a"], 90)
    assert window.claim([b"a"], 150) == set()


def test_marks_are_bounded_and_the_oldest_are_dropped() -> None:
    window = RepeatWindow(100, limit=2)
    window.claim([b"a", b"b", b"c"], 0)
    assert len(window) == 2
    assert window.claim([b"a", b"c"], 1) == {b"a"}


def test_a_clock_set_back_keeps_no_mark_for_ever() -> None:
    window = RepeatWindow(100)
    window.claim([b"a"], 10_000)
    assert window.claim([b"a"], 50) == {b"a"}
