from collections.abc import Callable

import numpy as np
import pytest

from embark.client import EmbArkClient, InvalidRequestError, KeyStatus
from embark.client.batches import MAX_BATCH_BYTES, BatchLimits, split
from embark.space import VectorForm
from embark.spec import DType
from embark_testing.embark.dict_embark import DictEmbArk, Rows, serving

Connect = Callable[..., EmbArkClient]


@pytest.mark.parametrize("dtype", [">f8", "<f4", ">f2", "i4"])
@pytest.mark.parametrize("stored", list(DType))
def test_put_writes_rows_in_the_dtype_of_the_space(connect: Connect, dtype: str, stored: DType) -> None:
    server = DictEmbArk(Rows("a", VectorForm(3, stored)), max_keys=2)
    keys = [f"p{i}" for i in range(5)]
    vectors = np.arange(15).reshape(5, 3).astype(dtype)
    with serving(server) as target:
        outcomes = connect(target).put("a", keys, vectors[:, :])
    assert outcomes.statuses == (KeyStatus.HIT,) * 5
    little_endian = server.spaces["a"].form.numpy
    assert server.spaces["a"].vectors == {
        key.encode(): np.arange(3 * i, 3 * i + 3).astype(little_endian).tobytes() for i, key in enumerate(keys)
    }
    assert [len(request.keys) for request in sorted(server.received("Put"), key=lambda r: r.keys[0])] == [2, 2, 1]


def test_put_accepts_an_array_that_is_not_contiguous(connect: Connect, server: DictEmbArk, target: str) -> None:
    array = np.arange(16, dtype=np.float32).reshape(4, 4)
    connect(target).put("a", ["p0", "p1"], array.T[::2])
    assert np.frombuffer(server.spaces["a"].vectors[b"p1"], "<f4").tolist() == [2, 6, 10, 14]


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.zeros((2, 3)), r"shape \(2, 3\)"),
        (np.zeros((3, 4)), r"shape \(3, 4\)"),
        (np.zeros(8), r"shape \(8,\)"),
        (np.zeros((2, 4), dtype=complex), "complex"),
        (np.zeros((2, 4), dtype=bool), "bool"),
        (np.array([[""] * 4] * 2), "real numbers"),
        (np.array([[0, 0, 0, 0], [0, np.nan, 0, 0]]), r"vectors\[1\].*finite"),
        (np.array([[0, 0, 0, 1e300], [0, 0, 0, 0]]), r"vectors\[0\].*finite"),
    ],
)
def test_vectors_that_do_not_fit_the_space_are_rejected_before_anything_is_written(
    connect: Connect, server: DictEmbArk, target: str, vectors: np.ndarray, message: str
) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        connect(target).put("a", ["p0", "p1"], vectors)
    assert server.received("Put") == []


def test_put_needs_a_known_space(connect: Connect, target: str) -> None:
    with pytest.raises(InvalidRequestError, match="id of the space"):
        connect(target).put("", ["p"], np.zeros((1, 4)))
    with pytest.raises(InvalidRequestError, match="no space nowhere"):
        connect(target).put("nowhere", ["p"], np.zeros((1, 4)))


def test_prefetch_and_invalidate_report_the_status_of_every_key(
    connect: Connect, server: DictEmbArk, target: str
) -> None:
    client = connect(target)
    keys = ["k0", "n1", "n2", "n3", "n4", "", "k9"]
    statuses = [status.name for status in client.prefetch(keys).statuses]
    assert statuses == ["HIT", *["OOV_ENQUEUED"] * 4, "INVALID", "HIT"]
    outcomes = client.invalidate(keys)
    assert [status.name for status in outcomes.statuses] == [*["OOV_ENQUEUED"] * 5, "INVALID", "OOV_ENQUEUED"]
    assert list(outcomes.causes) == [5]
    assert b"k0" not in server.spaces["a"].vectors
    assert [list(request.keys) for request in server.received("Invalidate")] in (
        [[key.encode() for key in keys[:4]], [key.encode() for key in keys[4:]]],
        [[key.encode() for key in keys[4:]], [key.encode() for key in keys[:4]]],
    )


def test_no_keys_send_no_request(connect: Connect, server: DictEmbArk, target: str) -> None:
    client = connect(target)
    assert len(client.prefetch([])) == len(client.invalidate([])) == 0
    assert server.requests == []


def test_requests_stay_far_below_the_message_limit() -> None:
    rows = BatchLimits(keys=1000, row_bytes=MAX_BATCH_BYTES // 10)
    slices = split([b"k"] * 25, rows)
    assert [part.stop - part.start for part in slices] == [9, 9, 7]
    huge = [b"x" * (MAX_BATCH_BYTES + 1), b"y", b"z"]
    assert [part.stop - part.start for part in split(huge, BatchLimits())] == [1, 2]
    assert split([], BatchLimits()) == []
