"""The Cassandra store's requests that are under way together, on a session that answers when the test says so."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from cassandra import OperationTimedOut
from cassandra.cluster import NoHostAvailable

from embark.errors import UnavailableError
from embark.store.cassandra.requests import CassandraRequests

A_WHILE = timedelta(milliseconds=50)


@dataclass
class Reply:
    """A ResponseFuture that is answered when the test says so."""

    take: Callable[[Any], None] = lambda _: None
    fail: Callable[[BaseException], None] = lambda _: None

    def add_callbacks(self, callback: Callable[[Any], None], errback: Callable[[BaseException], None]) -> None:
        self.take, self.fail = callback, errback


@dataclass
class Session:
    """Keeps what is sent, and answers nothing."""

    sent: list[Reply] = field(default_factory=list)

    def execute_async(self, _statement: str, timeout: float, paging_state: bytes | None) -> Reply:
        assert timeout > 0
        assert paging_state is None
        self.sent.append(Reply())
        return self.sent[-1]


class Answering(Session):
    """Answers each request once the next is sent, with its number, and the last when asked to; see later()."""

    def execute_async(self, _statement: str, timeout: float, paging_state: bytes | None) -> Reply:
        reply = super().execute_async(_statement, timeout, paging_state)
        if len(self.sent) > 1:
            self.sent[-2].take([len(self.sent) - 2])
        return reply


def later(call: Callable[[], None]) -> threading.Timer:
    """Make the call on another thread, as the driver answers, while this one waits."""
    timer = threading.Timer(0.05, call)
    timer.start()
    return timer


def test_no_more_requests_are_under_way_than_the_bound() -> None:
    session, requests = Session(), CassandraRequests(limit=3)
    with pytest.raises(UnavailableError, match="in time"):
        requests.run(session, ["statement"] * 5, A_WHILE)
    assert len(session.sent) == 3
    session.sent[0].take(None)
    answering = later(lambda: session.sent[3].take([("row",)]))
    assert requests.run(session, ["statement"], A_WHILE) == [[("row",)]]
    answering.join()
    session.sent[1].fail(OSError())
    session.sent[2].take(None)
    with pytest.raises(UnavailableError, match="in time"):
        requests.run(session, ["statement"] * 4, A_WHILE)
    assert len(session.sent) == 7


def test_more_statements_than_the_bound_are_all_sent_as_others_are_answered() -> None:
    session = Answering()
    answering = later(lambda: session.sent[8].take([8]))
    assert CassandraRequests(limit=2).run(session, ["statement"] * 9, A_WHILE) == [[number] for number in range(9)]
    answering.join()


def test_rows_come_in_the_order_of_the_statements_and_a_write_has_none() -> None:
    session = Session()

    def answer() -> None:
        for number in (2, 0, 1):
            session.sent[number].take([number] if number else None)

    answering = later(answer)
    assert CassandraRequests().run(session, ["statement"] * 3, A_WHILE) == [(), [1], [2]]
    answering.join()
    assert CassandraRequests().run(session, [], A_WHILE) == []


def test_one_request_that_fails_ends_the_run_before_the_others_are_answered() -> None:
    session, requests = Session(), CassandraRequests(limit=3)
    answering = later(lambda: session.sent[1].fail(OperationTimedOut()))
    with pytest.raises(UnavailableError, match="no answer in time"):
        requests.run(session, ["statement"] * 3, A_WHILE)
    answering.join()
    with pytest.raises(UnavailableError, match="requests sent before"):
        requests.run(session, ["statement"] * 2, A_WHILE)
    session.sent[0].take(None)  # the late answers free their places too
    session.sent[2].take(None)
    with pytest.raises(UnavailableError, match="requests sent before"):
        requests.run(session, ["statement"] * 3, A_WHILE)
    assert len(session.sent) == 6


def test_a_request_that_cannot_be_sent_takes_no_place() -> None:
    class Closed:
        def execute_async(self, *_: object, **__: object) -> None:
            raise NoHostAvailable("closed", {})

    requests = CassandraRequests(limit=1)
    for _ in range(2):
        with pytest.raises(UnavailableError, match="no Cassandra host"):
            requests.run(Closed(), ["statement"], A_WHILE)
    session = Session()
    answering = later(lambda: session.sent[0].take([("row",)]))
    assert requests.run(session, ["statement"], A_WHILE) == [[("row",)]]
    answering.join()
