import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

from embark.client import BadReplyError, EmbArkClient, InvalidRequestError, MissingEmbeddingsError
from embark.client.streams import MAX_BATCHES_AHEAD
from embark.errors import UnavailableError
from embark_testing.embark.dict_embark import DictEmbArk, Gate, Rows
from embark_testing.eventually import eventually

Connect = Callable[..., EmbArkClient]


def expected_vectors(server: DictEmbArk, keys: list[str], space: str = "a") -> bytes:
    return b"".join(server.spaces[space].vectors[key.encode()] for key in keys)


def test_a_stream_answers_every_batch_in_order_and_of_any_size(
    connect: Connect, server: DictEmbArk, target: str
) -> None:
    batches = [["k1"], [f"k{i}" for i in range(10)], [], ["k3", "k2"], *[[f"k{i % 10}"] for i in range(20)]]
    found = list(connect(target).lookup_stream(batches))
    assert [one.vectors.tobytes() for one in found] == [expected_vectors(server, keys) for keys in batches]
    assert found[2].vectors.shape == (0, 4)


def test_a_stream_stays_in_the_space_it_began_in(connect: Connect, server: DictEmbArk, target: str) -> None:
    server.spaces["b"] = Rows("b").fill(*(f"k{i}" for i in range(10)))
    found = []
    for one in connect(target).lookup_stream([[f"k{i}"] for i in range(10)]):
        server.active = "b"
        found.append(one)
    assert {one.space for one in found} == {"a"}
    assert b"".join(one.vectors.tobytes() for one in found) == expected_vectors(server, [f"k{i}" for i in range(10)])


def test_a_stream_requests_only_a_few_batches_ahead(connect: Connect, target: str) -> None:
    taken = []

    def batches() -> Iterator[list[str]]:
        for i in range(1000):
            taken.append(i)
            yield [f"k{i % 10}"]

    stream = connect(target).lookup_stream(batches())
    next(stream)
    assert 1 < len(taken) < 10
    stream.close()  # type: ignore[attr-defined]


def test_leaving_a_stream_cancels_its_call(connect: Connect, server: DictEmbArk, target: str) -> None:
    ended: list[bool] = []

    def watch(method: str, request: Any, context: grpc.ServicerContext) -> None:
        del request
        if method == "LookupStream" and not ended:
            context.add_callback(lambda: ended.append(True))

    server.hook = watch
    stream = connect(target).lookup_stream([f"k{i % 10}"] for i in range(1000))
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert eventually(lambda: ended, what="the call ended")


def test_leaving_a_stream_leaves_no_thread_behind(server: DictEmbArk, target: str) -> None:
    before = set(threading.enumerate())
    with EmbArkClient(target, timeout=30) as client:
        stream = client.lookup_stream([f"k{i % 10}"] for i in range(1000))
        next(stream)
        # The workers of the test's server, also in this process, stay.
        started = {thread for thread in threading.enumerate() if not thread.name.startswith("ThreadPool")} - before
        assert started
        assert eventually(
            lambda: len(server.received("LookupStream")) == MAX_BATCHES_AHEAD + 1, what="every batch ahead was sent"
        )
        stream.close()  # type: ignore[attr-defined]
    assert eventually(lambda: not any(thread.is_alive() for thread in started), what="every thread ended")


def test_an_error_of_the_batches_reaches_the_caller(connect: Connect, target: str) -> None:
    def batches() -> Iterator[list[str]]:
        yield ["k0"]
        raise OSError("the disk has failed")

    with pytest.raises(OSError, match="disk"):
        list(connect(target).lookup_stream(batches()))


def test_a_waiting_stream_gives_every_batch_the_time(connect: Connect, server: DictEmbArk, target: str) -> None:
    client = connect(target, seconds=lambda: 0.0)
    list(client.lookup_stream([["k0"]]))
    list(client.lookup_stream([["n1"], ["n2"]], on_miss="wait", wait=3.0))
    requests = server.received("LookupStream")
    assert [request.wait_budget.ToMilliseconds() for request in requests] == [0, 3000, 3000]


def test_on_miss_raise_raises_at_the_incomplete_batch(connect: Connect, target: str) -> None:
    stream = connect(target).lookup_stream([["k0"], ["new"], ["k1"]], on_miss="raise")
    assert next(stream).hits.all()
    with pytest.raises(MissingEmbeddingsError, match="'new' OOV_ENQUEUED"):
        next(stream)


@pytest.mark.parametrize("method", ["LookupStream", "Export"])
def test_a_stream_whose_server_stops_answering_is_unavailable(
    connect: Connect, server: DictEmbArk, target: str, method: str
) -> None:
    gate = Gate()
    server.hook = lambda name, _request, _context: gate.enter() if name == method else None
    client = connect(target)
    try:
        with pytest.raises(UnavailableError, match=r"no answer within 0\.3 s"):
            list(
                client.lookup_stream([["k0"]], timeout=0.3) if method == "LookupStream" else client.export(timeout=0.3)
            )
    finally:
        gate.open()


@pytest.mark.parametrize("method", ["LookupStream", "Export"])
def test_a_refused_stream_is_an_invalid_request(connect: Connect, server: DictEmbArk, target: str, method: str) -> None:
    def refuse(name: str, request: Any, context: grpc.ServicerContext) -> None:
        del request
        if name == method:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "draining")

    server.hook = refuse
    client = connect(target)
    with pytest.raises(InvalidRequestError, match="draining"):
        list(client.lookup_stream([["k0"]]) if method == "LookupStream" else client.export())


def test_an_export_has_every_embedding_once(connect: Connect, server: DictEmbArk, target: str) -> None:
    parts = list(connect(target).export())
    exported = {key: row.tobytes() for keys, rows in parts for key, row in zip(keys, rows, strict=True)}
    assert exported == {key.decode(): vector for key, vector in server.spaces["a"].vectors.items()}
    assert [len(keys) for keys, _ in parts] == [3, 3, 3, 1]


def test_an_export_stays_in_the_space_it_began_in(connect: Connect, server: DictEmbArk, target: str) -> None:
    server.spaces["b"] = Rows("b").fill("other")

    def switch(method: str, request: Any, context: Any) -> None:
        del request, context
        if method == "Export":
            server.active = "b"

    server.hook = switch
    keys = [key for part, _ in connect(target).export() for key in part]
    assert sorted(keys) == [f"k{i}" for i in range(10)]


def test_an_export_that_changes_its_space_is_rejected(connect: Connect, server: DictEmbArk, target: str) -> None:
    def rename(method: str, request: Any, context: Any) -> None:
        del request, context
        if method == "Export":
            server.spaces["a"].id = "other"

    server.hook = rename
    with pytest.raises(BadReplyError, match="vectors of other"):
        list(connect(target).export())
