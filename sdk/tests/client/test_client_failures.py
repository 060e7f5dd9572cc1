import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from embark.client import BadReplyError, EmbArkClient, InvalidRequestError
from embark.errors import ClosedError, UnavailableError
from embark.v1 import embark_pb2, types_pb2
from embark_testing.embark.dict_embark import DictEmbArk, Gate, serving
from embark_testing.eventually import eventually

Connect = Callable[..., EmbArkClient]


def test_a_missing_server_is_unavailable_and_named(connect: Connect) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(UnavailableError, match=target) as raised:
            connect(target).lookup(["k0", "k1"])
    assert raised.value.server == target


@pytest.mark.parametrize("count", [1, 3, 9])
def test_a_server_that_does_not_answer_in_time_is_unavailable(
    connect: Connect, server: DictEmbArk, target: str, count: int
) -> None:
    gate = Gate()
    server.hook = lambda *_: gate.enter()
    try:
        with pytest.raises(UnavailableError, match=r"no answer within 0\.3 s"):
            connect(target).lookup([f"k{i}" for i in range(count)], timeout=0.3)
    finally:
        gate.open()


def test_one_deadline_covers_all_requests_of_a_lookup(connect: Connect, server: DictEmbArk, target: str) -> None:
    now = [0.0]
    left: list[float] = []

    def spend(method: str, request: Any, context: grpc.ServicerContext) -> None:
        del request
        if method == "Lookup":
            left.append(context.time_remaining())
            now[0] += 40

    server.hook = spend
    client = connect(target, seconds=lambda: now[0], max_inflight=1)
    client.describe()
    with pytest.raises(UnavailableError, match="no answer within 100 s"):
        client.lookup([f"k{i}" for i in range(16)], timeout=100)
    assert [round(seconds, -1) for seconds in left] == [100, 60, 20]


def test_a_lookup_has_a_bounded_number_of_requests_in_flight(connect: Connect, server: DictEmbArk, target: str) -> None:
    gate = Gate()
    client = connect(target, max_inflight=2)
    client.describe()
    server.hook = lambda method, _request, _context: gate.enter() if method == "Lookup" else None
    with ThreadPoolExecutor(1) as pool, EmbArkClient(target, timeout=30) as other:
        try:
            found = pool.submit(client.lookup, [f"k{i % 10}" for i in range(40)])
            eventually(lambda: gate.inside >= 2, what="two requests at once")
            other.describe()
        finally:
            gate.open()
        assert found.result().hits.all()
    assert gate.max_inside == 2


def test_a_server_that_cannot_describe_its_space_still_answers_lookups(
    connect: Connect, server: DictEmbArk, target: str
) -> None:
    def refuse(method: str, request: Any, context: grpc.ServicerContext) -> None:
        del request
        if method == "DescribeSpace":
            context.abort(grpc.StatusCode.UNAVAILABLE, "the store is down")

    server.hook = refuse
    assert connect(target).lookup(["k0", "k1", "new"]).hits.tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, InvalidRequestError),
        (grpc.StatusCode.FAILED_PRECONDITION, InvalidRequestError),
        (grpc.StatusCode.PERMISSION_DENIED, InvalidRequestError),
        (grpc.StatusCode.INTERNAL, UnavailableError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, UnavailableError),
    ],
)
def test_a_grpc_status_becomes_the_matching_error(
    connect: Connect, server: DictEmbArk, target: str, code: grpc.StatusCode, error: type[Exception]
) -> None:
    server.hook = lambda _method, _request, context: context.abort(code, "because")
    with pytest.raises(error, match=f"{target}: .*because"):
        connect(target).prefetch(["k0"])


class WrongReplies(DictEmbArk):
    """Replaces fields of its lookup replies."""

    def __init__(self, server: DictEmbArk, **fields: Any) -> None:
        super().__init__(server.spaces["a"])
        self._fields = fields

    def Lookup(self, request: embark_pb2.LookupRequest, context: grpc.ServicerContext) -> embark_pb2.LookupResponse:  # noqa: N802
        reply = super().Lookup(request, context)
        for name, value in self._fields.items():
            reply.ClearField(name)  # type: ignore[arg-type]
            reply.MergeFrom(embark_pb2.LookupResponse(**{name: value}))
        return reply


@pytest.mark.parametrize(
    "fields",
    [
        {"vectors": b"short"},
        {"statuses": [1]},
        {"statuses": [1, 1, 1]},
        {"dimension": 0},
        {"dimension": 3},
        {"dtype": 0},
        {"causes": {7: types_pb2.Cause(kind=types_pb2.CAUSE_KIND_BLOCKED)}},
    ],
    ids=repr,
)
def test_a_contradictory_reply_is_never_returned(connect: Connect, server: DictEmbArk, fields: dict[str, Any]) -> None:
    with serving(WrongReplies(server, **fields)) as target, pytest.raises(BadReplyError, match=target):
        connect(target).lookup(["k0", "k1"])


def test_a_status_of_a_later_version_is_not_a_hit(connect: Connect, server: DictEmbArk) -> None:
    with serving(WrongReplies(server, statuses=[1, 77])) as target:
        found = connect(target).lookup(["k0", "k1"])
    assert [status.name for status in found.statuses] == ["HIT", "UNKNOWN"]
    assert found.hits.tolist() == [True, False]


def test_a_closed_client_raises_closed_error(target: str) -> None:
    client = EmbArkClient(target)
    client.close()
    client.close()
    with pytest.raises(ClosedError, match=target):
        client.lookup(["k0"])
    with pytest.raises(ClosedError):
        client.export().__next__()


@pytest.mark.parametrize("count", [1, 9])
def test_a_lookup_in_flight_fails_when_another_thread_closes_the_client(
    server: DictEmbArk, target: str, count: int
) -> None:
    gate = Gate()
    client = EmbArkClient(target, timeout=30)
    client.describe()
    server.hook = lambda *_: gate.enter()
    ended = threading.Event()
    try:
        with ThreadPoolExecutor(1) as pool:
            found = pool.submit(client.lookup, [f"k{i}" for i in range(count)])
            found.add_done_callback(lambda _: ended.set())
            eventually(lambda: gate.inside, what="a request at the server")
            client.close()
            assert ended.wait(20)
        assert isinstance(found.exception(), ClosedError)
    finally:
        gate.open()
