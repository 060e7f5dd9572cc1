from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest

from embark.causes import Cause, CauseKind
from embark.client import BadReplyError, EmbArkClient, InvalidRequestError, KeyStatus, Neighbours
from embark.errors import UnavailableError
from embark.space import VectorForm
from embark.spec import DType
from embark.v1 import embark_pb2
from embark_testing.embark.dict_embark import DictEmbArk, Gate, Rows, serving

Connect = Callable[..., EmbArkClient]


def test_a_key_has_neighbours_with_scores(connect: Connect, server: DictEmbArk, target: str) -> None:
    client = connect(target)
    found = client.similar("k3", 2)
    assert found == Neighbours(("k0", "k1"), (1.0, pytest.approx(8 / 9)), KeyStatus.HIT, "a")  # type: ignore[arg-type]
    assert len(client.similar(b"k3")) == 9
    assert [request.k for request in server.received("Similar")] == [2, 10]
    assert server.received("DescribeSpace") == []


def test_a_key_without_an_embedding_has_a_status_and_no_neighbours(
    connect: Connect, server: DictEmbArk, target: str
) -> None:
    cause = Cause(CauseKind.NOT_FOUND, "404")
    server.spaces["a"].negatives[b"dead"] = cause
    client = connect(target)
    assert client.similar("new") == Neighbours((), (), KeyStatus.OOV_ENQUEUED, "a")
    assert client.similar("dead") == Neighbours((), (), KeyStatus.NEGATIVE, "a", cause)
    assert client.similar("\ud800").status is KeyStatus.INVALID


@pytest.mark.parametrize("dtype", list(DType))
def test_a_vector_is_sent_in_the_dtype_of_the_space(connect: Connect, dtype: DType) -> None:
    form = VectorForm(3, dtype)
    server = DictEmbArk(Rows("a", form).fill("k0", "k1"))
    with serving(server) as target:
        client = connect(target)
        found = client.similar([1, 0.5, 2], space="a")
        client.similar(np.array([1, 0.5, 2], ">f8"), space="a")
    assert (found.keys, found.status, found.space) == (("k0", "k1"), None, "a")
    sent = [request.vector for request in server.received("Similar")]
    assert sent == [np.array([1, 0.5, 2], form.numpy).tobytes()] * 2
    assert len(server.received("DescribeSpace")) == 1


def test_the_form_of_the_active_space_is_requested_again_after_a_refusal(
    connect: Connect, server: DictEmbArk, target: str
) -> None:
    client = connect(target)
    client.similar([1.0] * 4)
    client.similar([2.0] * 4)
    assert len(server.received("DescribeSpace")) == 1
    server.spaces["b"] = Rows("b", VectorForm(5, DType.FLOAT32)).fill("k0")
    server.active = "b"

    def refuse(method: str, request: Any, context: grpc.ServicerContext) -> None:
        if method == "Similar" and len(request.vector) != 20:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "vector has 16 bytes")

    server.hook = refuse
    with pytest.raises(InvalidRequestError, match="vector has 16 bytes"):
        client.similar([1.0] * 4)
    assert client.similar([1.0] * 5).space == "b"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ([1.0] * 3, r"shape \(3,\); this space needs \(4,\)"),
        (np.ones((1, 4)), r"shape \(1, 4\)"),
        (["a"] * 4, "real numbers"),
        ([1.0, 2.0, 3.0, np.nan], "not finite"),
        ([1e300] * 4, "not finite"),
    ],
)
def test_a_vector_that_does_not_fit_the_space_is_rejected_before_it_is_sent(
    connect: Connect, server: DictEmbArk, target: str, query: Any, message: str
) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        connect(target).similar(query)
    assert server.received("Similar") == []


@pytest.mark.parametrize("k", [0, -1, 2**32])
def test_a_k_out_of_range_is_rejected(connect: Connect, target: str, k: int) -> None:
    with pytest.raises(InvalidRequestError, match=f"k is {k}"):
        connect(target).similar("k0", k)


def test_a_search_is_pinned_to_its_space(connect: Connect, server: DictEmbArk, target: str) -> None:
    server.spaces["b"] = Rows("b").fill("b0", "b1")
    assert connect(target).similar("b0", space="b") == Neighbours(("b1",), (1.0,), KeyStatus.HIT, "b")
    with pytest.raises(InvalidRequestError, match="no space nowhere"):
        connect(target).similar("k0", space="nowhere")


def test_a_cache_without_vector_search_refuses_and_names_the_field(
    connect: Connect, server: DictEmbArk, target: str
) -> None:
    server.hook = lambda _method, _request, context: context.abort(
        grpc.StatusCode.FAILED_PRECONDITION, "spec.store.cassandra.vectorSearch is false"
    )
    with pytest.raises(InvalidRequestError, match=r"spec\.store\.cassandra\.vectorSearch"):
        connect(target).similar("k0")


def test_a_search_that_times_out_is_unavailable(connect: Connect, server: DictEmbArk, target: str) -> None:
    gate = Gate()
    server.hook = lambda *_: gate.enter()
    try:
        with pytest.raises(UnavailableError, match=r"no answer within 0\.3 s"):
            connect(target).similar("k0", timeout=0.3)
    finally:
        gate.open()


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (embark_pb2.SimilarResponse(space="a", keys=[b"k"], scores=[]), "1 keys and 0 scores"),
        (embark_pb2.SimilarResponse(space="a", keys=[b"k", b"l"], scores=[1, 1]), "2 keys and 2 scores for k = 1"),
        (embark_pb2.SimilarResponse(space="a", keys=[b"\xff"], scores=[1]), "not UTF-8"),
        (embark_pb2.SimilarResponse(space="b"), "another one answered"),
    ],
)
def test_a_contradictory_reply_is_rejected(
    connect: Connect, server: DictEmbArk, monkeypatch: pytest.MonkeyPatch, reply: Any, message: str
) -> None:
    monkeypatch.setattr(server, "Similar", lambda _request, _context: reply)
    with serving(server) as target, pytest.raises(BadReplyError, match=message):
        connect(target).similar("k0", 1, space="a")
