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


def test_a_split_lookup_keeps_the_order_of_the_keys(connect: Connect, server: DictEmbArk, target: str) -> None:
    keys = [f"k{i}" for i in (7, 2, 9, 0, 2, 5, 1, 8, 3, 6, 4)]
    found = connect(target).lookup(keys)
    assert [row.tobytes() for row in found.vectors] == [server.spaces["a"].vectors[key.encode()] for key in keys]
    assert found.vectors.flags.c_contiguous
    assert sorted(len(request.keys) for request in server.received("Lookup")) == [3, 4, 4]


def test_statuses_causes_and_hits_are_by_the_index_in_the_whole_lookup(
    connect: Connect, server: DictEmbArk, target: str
) -> None:
    cause = Cause(CauseKind.NOT_FOUND, "404")
    server.spaces["a"].negatives[b"dead"] = cause
    found = connect(target).lookup(["k0", "k1", "new", "k2", "k3", "dead", "", "k4"])
    hit = KeyStatus.HIT
    expected = [hit, hit, KeyStatus.OOV_ENQUEUED, hit, hit, KeyStatus.NEGATIVE, KeyStatus.INVALID, hit]
    assert list(found.statuses) == expected
    assert found.hits.tolist() == [status is hit for status in expected]
    assert found.causes[5] == cause
    assert sorted(found.causes) == [5, 6]
    assert found.vectors[2].tolist() == [-1, -1, -1, -1]
    assert found.space == "a"


def test_no_keys_give_no_rows_of_the_right_dimension(connect: Connect, target: str) -> None:
    found = connect(target).lookup([])
    assert found.vectors.shape == (0, 4)
    assert found.vectors.dtype == np.float32
    assert (found.statuses, found.space, len(found)) == ((), "a", 0)


def test_the_result_is_read_only(connect: Connect, target: str) -> None:
    found = connect(target).lookup([f"k{i}" for i in range(6)])
    assert not found.vectors.flags.writeable
    with pytest.raises(AttributeError):
        found.space = "b"  # type: ignore[misc]


def test_a_key_that_is_not_utf_8_makes_only_itself_invalid(connect: Connect, server: DictEmbArk, target: str) -> None:
    found = connect(target).lookup(["k0", "lone \ud800", b"\xff", "k1"])
    assert [status.name for status in found.statuses] == ["HIT", "INVALID", "INVALID", "HIT"]
    assert "not UTF-8" in found.causes[1].detail
    assert server.received("Lookup")[0].keys[1] == b"lone \xed\xa0\x80"


@pytest.mark.parametrize("keys", ["k0", b"k0", ["k0", None], [1]])
def test_anything_but_a_sequence_of_keys_is_a_type_error(connect: Connect, target: str, keys: list[str]) -> None:
    with pytest.raises(TypeError, match="key"):
        connect(target).lookup(keys)


def test_on_miss_raise_names_the_missing_keys_and_their_causes(
    connect: Connect, server: DictEmbArk, target: str
) -> None:
    server.spaces["a"].negatives[b"dead"] = Cause(CauseKind.BLOCKED, "10.0.0.1 is private")
    with pytest.raises(
        MissingEmbeddingsError, match=r"5 of 6 keys have no embedding: 'dead' NEGATIVE blocked"
    ) as raised:
        connect(target).lookup(["dead", "k0", "n1", "n2", "n3", "\x1b[2J"], on_miss="raise")
    assert raised.value.keys == (b"dead", b"n1", b"n2", b"n3", b"\x1b[2J")
    assert "and 2 more" in str(raised.value)
    assert raised.value.embeddings.hits.tolist() == [False, True, False, False, False, False]
    assert isinstance(raised.value, EmbArkError)


def test_on_miss_raise_returns_a_complete_result(connect: Connect, target: str) -> None:
    assert connect(target).lookup(["k0", "k1"], on_miss="raise").hits.all()


def test_only_a_waiting_lookup_gives_the_server_time_to_wait(connect: Connect, server: DictEmbArk, target: str) -> None:
    client = connect(target, seconds=lambda: 0.0)
    client.lookup(["n"], wait=9.0)
    client.lookup(["k0"], on_miss="raise", wait=9.0)
    client.lookup(["n"], on_miss="wait", wait=9.0)
    client.lookup(["n"], on_miss="wait", wait=9.0, timeout=2.0)
    budgets = [request.wait_budget.ToMilliseconds() for request in server.received("Lookup")]
    assert budgets == [0, 0, 9_000, 1_900]
    assert not server.received("Lookup")[0].HasField("wait_budget")


def test_a_waiting_lookup_returns_what_was_filled_and_oov_for_the_rest(
    connect: Connect, server: DictEmbArk, target: str
) -> None:
    def fill(method: str, request: object, context: object) -> None:
        del request, context
        if method == "Lookup":
            server.spaces["a"].fill("soon")

    server.hook = fill
    found = connect(target).lookup(["soon", "never"], on_miss="wait")
    assert [status.name for status in found.statuses] == ["HIT", "OOV_ENQUEUED"]


def test_an_unknown_on_miss_is_rejected_before_any_request(connect: Connect, server: DictEmbArk, target: str) -> None:
    with pytest.raises(ValueError, match="oov, wait or raise"):
        connect(target).lookup(["k0"], on_miss="ignore")  # type: ignore[arg-type]
    assert server.requests == []


def test_the_servers_limit_is_requested_once(connect: Connect, server: DictEmbArk, target: str) -> None:
    client = connect(target)
    client.lookup(["k0"])
    assert server.received("DescribeSpace") == []
    for _ in range(3):
        client.lookup([f"k{i}" for i in range(9)])
    assert len(server.received("DescribeSpace")) == 1


def test_a_lowered_limit_is_learned_again(connect: Connect, server: DictEmbArk, target: str) -> None:
    client = connect(target)
    client.lookup(["k0", "k1"])
    server.max_keys = 2
    with pytest.raises(ValueError, match="at most 2"):
        client.lookup([f"k{i}" for i in range(4)])
    assert client.lookup([f"k{i}" for i in range(4)]).hits.all()
