from collections.abc import Callable

import numpy as np
import pytest

from embark.causes import Cause, CauseKind
from embark.client import EmbArkClient, KeyStatus, MissingEmbeddingsError
from embark.errors import EmbArkError
from embark.space import VectorForm
from embark.spec import DType
from embark_testing.embark.dict_embark import DictEmbArk, Rows, serving

Connect = Callable[..., EmbArkClient]


@pytest.mark.parametrize("dtype", list(DType))
def test_vectors_are_the_stored_bits_in_the_dtype_of_the_space(connect: Connect, dtype: DType) -> None:
    rows = Rows("a", VectorForm(5, dtype)).fill("x", "y")
    # A NaN with a payload and a negative zero do not survive a conversion to Python floats and back.
    special = np.array([0x7E01, 0x8000, 1, 2, 3], dtype="<u2" if dtype is DType.FLOAT16 else "<u4").tobytes()
    rows.vectors[b"z"] = special
    with serving(DictEmbArk(rows)) as target:
        found = connect(target).lookup(["x", "z", b"y"])
    assert found.vectors.tobytes() == rows.vectors[b"x"] + special + rows.vectors[b"y"]
    assert found.vectors.shape == (3, 5)
    assert found.vectors.dtype == rows.form.numpy


def test_a_split_look_up_answers_in_the_order_asked(connect: Connect, server: DictEmbArk, target: str) -> None:
    keys = [f"k{i}" for i in (7, 2, 9, 0, 2, 5, 1, 8, 3, 6, 4)]
    found = connect(target).lookup(keys)
    assert [row.tobytes() for row in found.vectors] == [server.spaces["a"].vectors[key.encode()] for key in keys]
    assert found.vectors.flags.c_contiguous
    assert sorted(len(request.keys) for request in server.asked("Lookup")) == [3, 4, 4]


def test_statuses_causes_and_hits_are_by_the_index_in_the_whole_look_up(
    connect: Connect, server: DictEmbArk, target: str
) -> None:
    cause = Cause(CauseKind.NOT_FOUND, "404")
    server.spaces["a"].negatives[b"gone"] = cause
    found = connect(target).lookup(["k0", "k1", "new", "k2", "k3", "gone", "", "k4"])
    hit = KeyStatus.HIT
    expected = [hit, hit, KeyStatus.OOV_ENQUEUED, hit, hit, KeyStatus.NEGATIVE, KeyStatus.INVALID, hit]
    assert list(found.statuses) == expected
    assert found.hits.tolist() == [status is hit for status in expected]
    assert found.causes[5] == cause
    assert sorted(found.causes) == [5, 6]
    assert found.vectors[2].tolist() == [-1, -1, -1, -1]
    assert found.space == "a"


def test_no_keys_are_no_rows_of_the_dimension(connect: Connect, target: str) -> None:
    found = connect(target).lookup([])
    assert found.vectors.shape == (0, 4)
    assert found.vectors.dtype == np.float32
    assert (found.statuses, found.space, len(found)) == ((), "a", 0)


def test_the_answer_cannot_be_changed(connect: Connect, target: str) -> None:
    found = connect(target).lookup([f"k{i}" for i in range(6)])
    assert not found.vectors.flags.writeable
    with pytest.raises(AttributeError):
        found.space = "b"  # type: ignore[misc]


def test_keys_that_are_not_utf_8_are_invalid_by_themselves(connect: Connect, server: DictEmbArk, target: str) -> None:
    found = connect(target).lookup(["k0", "lone \ud800", b"\xff", "k1"])
    assert [status.name for status in found.statuses] == ["HIT", "INVALID", "INVALID", "HIT"]
    assert "not UTF-8" in found.causes[1].detail
    assert server.asked("Lookup")[0].keys[1] == b"lone \xed\xa0\x80"


@pytest.mark.parametrize("keys", ["k0", b"k0", ["k0", None], [1]])
def test_what_is_not_a_sequence_of_keys_is_a_type_error(connect: Connect, target: str, keys: list[str]) -> None:
    with pytest.raises(TypeError, match="key"):
        connect(target).lookup(keys)


def test_raise_names_the_missing_keys_and_why(connect: Connect, server: DictEmbArk, target: str) -> None:
    server.spaces["a"].negatives[b"gone"] = Cause(CauseKind.BLOCKED, "10.0.0.1 is private")
    with pytest.raises(
        MissingEmbeddingsError, match=r"5 of 6 keys have no embedding: 'gone' NEGATIVE blocked"
    ) as raised:
        connect(target).lookup(["gone", "k0", "n1", "n2", "n3", "\x1b[2J"], on_miss="raise")
    assert raised.value.keys == (b"gone", b"n1", b"n2", b"n3", b"\x1b[2J")
    assert "and 2 more" in str(raised.value)
    assert raised.value.embeddings.hits.tolist() == [False, True, False, False, False, False]
    assert isinstance(raised.value, EmbArkError)


def test_raise_returns_an_answer_that_misses_nothing(connect: Connect, target: str) -> None:
    assert connect(target).lookup(["k0", "k1"], on_miss="raise").hits.all()


def test_only_a_look_up_that_waits_gives_the_server_time_to_wait(
    connect: Connect, server: DictEmbArk, target: str
) -> None:
    client = connect(target, seconds=lambda: 0.0)
    client.lookup(["n"], wait=9.0)
    client.lookup(["k0"], on_miss="raise", wait=9.0)
    client.lookup(["n"], on_miss="wait", wait=9.0)
    client.lookup(["n"], on_miss="wait", wait=9.0, timeout=2.0)
    budgets = [request.wait_budget.ToMilliseconds() for request in server.asked("Lookup")]
    assert budgets == [0, 0, 9_000, 1_900]
    assert not server.asked("Lookup")[0].HasField("wait_budget")


def test_waiting_answers_what_was_filled_meanwhile_and_oov_for_the_rest(
    connect: Connect, server: DictEmbArk, target: str
) -> None:
    def fill(method: str, request: object, context: object) -> None:
        del request, context
        if method == "Lookup":
            server.spaces["a"].fill("soon")

    server.hook = fill
    found = connect(target).lookup(["soon", "never"], on_miss="wait")
    assert [status.name for status in found.statuses] == ["HIT", "OOV_ENQUEUED"]


def test_an_unknown_on_miss_is_refused_before_anything_is_asked(
    connect: Connect, server: DictEmbArk, target: str
) -> None:
    with pytest.raises(ValueError, match="oov, wait or raise"):
        connect(target).lookup(["k0"], on_miss="ignore")  # type: ignore[arg-type]
    assert server.requests == []


def test_the_limit_of_the_server_is_asked_for_once(connect: Connect, server: DictEmbArk, target: str) -> None:
    client = connect(target)
    client.lookup(["k0"])
    assert server.asked("DescribeSpace") == []
    for _ in range(3):
        client.lookup([f"k{i}" for i in range(9)])
    assert len(server.asked("DescribeSpace")) == 1


def test_a_limit_that_was_lowered_is_learnt_again(connect: Connect, server: DictEmbArk, target: str) -> None:
    client = connect(target)
    client.lookup(["k0", "k1"])
    server.max_keys = 2
    with pytest.raises(ValueError, match="at most 2"):
        client.lookup([f"k{i}" for i in range(4)])
    assert client.lookup([f"k{i}" for i in range(4)]).hits.all()
