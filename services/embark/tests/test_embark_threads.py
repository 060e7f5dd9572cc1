"""Few threads run lookups, and neither waiting lookups nor stalled clients delay the others."""

import threading
from collections.abc import Iterator

import pytest

from embark_server.threads import LookupThreads, yielding_slot
from embark_testing.eventually import eventually


@pytest.fixture
def threads() -> Iterator[LookupThreads]:
    made = LookupThreads(2, 8, "test")
    yield made
    made.shutdown()


def test_results_and_errors_reach_the_future(threads: LookupThreads) -> None:
    assert threads.submit(divmod, 7, 2).result(10) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        threads.submit(divmod, 7, 0).result(10)


def test_at_most_the_configured_number_of_calls_run_at_a_time(threads: LookupThreads) -> None:
    lock, running, peak = threading.Lock(), 0, 0

    def call() -> None:
        nonlocal running, peak
        with lock:
            running += 1
            peak = max(peak, running)
        sum(range(1_000))
        with lock:
            running -= 1

    for future in [threads.submit(call) for _ in range(500)]:
        future.result(10)
    assert peak <= 2


def test_calls_that_yield_their_slots_let_others_run(threads: LookupThreads) -> None:
    gate = threading.Event()

    def wait() -> bool:
        with yielding_slot():
            return gate.wait(30)

    waiting = [threads.submit(wait) for _ in range(7)]
    assert threads.submit(int, "5").result(10) == 5
    assert not any(future.done() for future in waiting)
    assert eventually(lambda: threads._running == 0, what="waiting calls occupy no slot")
    gate.set()
    assert all(future.result(10) for future in waiting)


def test_further_threads_run_when_every_slot_is_stalled(threads: LookupThreads) -> None:
    gate = threading.Event()
    stalled = [threads.submit(gate.wait, 30) for _ in range(5)]
    assert threads.submit(int, "5").result(10) == 5
    gate.set()
    assert all(future.result(10) for future in stalled)


def test_a_shutdown_finishes_submitted_calls_and_rejects_new_ones(threads: LookupThreads) -> None:
    gate = threading.Event()
    futures = [threads.submit(gate.wait, 30) for _ in range(20)]
    closing = threading.Thread(target=threads.shutdown)
    closing.start()
    eventually(lambda: threads._closed)
    with pytest.raises(RuntimeError):
        threads.submit(int)
    gate.set()
    assert all(future.result(10) for future in futures)
    closing.join(10)
    assert not closing.is_alive()


def test_yielding_a_slot_on_another_thread_does_nothing() -> None:
    with yielding_slot():
        assert threading.current_thread() is threading.main_thread()
