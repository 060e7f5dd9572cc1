"""The bound of requests in flight to Cassandra, on a session that replies when the test wants it to."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from cassandra import OperationTimedOut
from cassandra.cluster import NoHostAvailable

from embark.errors import UnavailableError
from embark.store.cassandra.connection import CassandraRequests

BRIEF = timedelta(milliseconds=50)


@dataclass
class Reply:
    """A ResponseFuture that completes when the test calls `take` or `fail`."""

    take: Callable[[Any], None] = lambda _: None
    fail: Callable[[BaseException], None] = lambda _: None

    def add_callbacks(self, callback: Callable[[Any], None], errback: Callable[[BaseException], None]) -> None:
        self.take, self.fail = callback, errback


@dataclass
class FakeSession:
    """Records what is sent, and answers nothing."""

    sent: list[Reply] = field(default_factory=list)

    def execute_async(self, _statement: str, timeout: float, paging_state: bytes | None) -> Reply:
        assert timeout > 0
        assert paging_state is None
        self.sent.append(Reply())
        return self.sent[-1]


class AnsweringSession(FakeSession):
    """Answers each request with its number once the next is sent, but not the last; see later()."""

    def execute_async(self, _statement: str, timeout: float, paging_state: bytes | None) -> Reply:
        reply = super().execute_async(_statement, timeout, paging_state)
        if len(self.sent) > 1:
            self.sent[-2].take([len(self.sent) - 2])
        return reply


def later(call: Callable[[], None]) -> threading.Timer:
    """Call on another thread, as the driver does, while this one waits."""
    timer = threading.Timer(0.05, call)
    timer.start()
    return timer


def test_at_most_the_limit_of_requests_is_in_flight() -> None:
    session, requests = FakeSession(), CassandraRequests(limit=3)
    with pytest.raises(UnavailableError, match="in time"):
        requests.run(session, ["statement"] * 5, BRIEF)
    assert len(session.sent) == 3
    session.sent[0].take(None)
    answering = later(lambda: session.sent[3].take([("row",)]))
    assert requests.run(session, ["statement"], BRIEF) == [[("row",)]]
    answering.join()
    session.sent[1].fail(OSError())
    session.sent[2].take(None)
    with pytest.raises(UnavailableError, match="in time"):
        requests.run(session, ["statement"] * 4, BRIEF)
    assert len(session.sent) == 7


def test_more_statements_than_the_limit_are_sent_as_others_are_answered() -> None:
    session = AnsweringSession()
    answering = later(lambda: session.sent[8].take([8]))
    assert CassandraRequests(limit=2).run(session, ["statement"] * 9, BRIEF) == [[number] for number in range(9)]
    answering.join()


def test_rows_come_in_the_order_of_the_statements_and_a_write_has_none() -> None:
    session = FakeSession()

    def answer() -> None:
        for number in (2, 0, 1):
            session.sent[number].take([number] if number else None)

    answering = later(answer)
    assert CassandraRequests().run(session, ["statement"] * 3, BRIEF) == [(), [1], [2]]
    answering.join()
    assert CassandraRequests().run(session, [], BRIEF) == []


def test_a_failed_request_ends_the_run_before_the_others_are_answered() -> None:
    session, requests = FakeSession(), CassandraRequests(limit=3)
    answering = later(lambda: session.sent[1].fail(OperationTimedOut()))
    with pytest.raises(UnavailableError, match="no answer in time"):
        requests.run(session, ["statement"] * 3, BRIEF)
    answering.join()
    with pytest.raises(UnavailableError, match="requests sent before"):
        requests.run(session, ["statement"] * 2, BRIEF)
    session.sent[0].take(None)  # late replies free their places too
    session.sent[2].take(None)
    with pytest.raises(UnavailableError, match="requests sent before"):
        requests.run(session, ["statement"] * 3, BRIEF)
    assert len(session.sent) == 6


def test_a_request_that_cannot_be_sent_takes_no_place() -> None:
    class Closed:
        def execute_async(self, *_: object, **__: object) -> None:
            raise NoHostAvailable("closed", {})

    requests = CassandraRequests(limit=1)
    for _ in range(2):
        with pytest.raises(UnavailableError, match="no Cassandra host"):
            requests.run(Closed(), ["statement"], BRIEF)
    session = FakeSession()
    answering = later(lambda: session.sent[0].take([("row",)]))
    assert requests.run(session, ["statement"], BRIEF) == [[("row",)]]
    answering.join()
