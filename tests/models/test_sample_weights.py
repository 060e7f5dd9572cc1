"""The reader of weights reads tensors, and runs no code that a file contains."""

import os
import pickle
import struct
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from samples.models.torch_weights import MAGIC, PROTOCOL, UnreadableWeightsError, read_weights


class _Call:
    """Pickles as a call of `os.mkdir`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("position", range(5))
def test_code_in_any_pickle_of_a_weights_file_is_refused_and_not_run(position: int, tmp_path: Path) -> None:
    parts: list[object] = [MAGIC, PROTOCOL, {}, OrderedDict(), []]
    parts[position] = _Call(tmp_path / "called")
    with pytest.raises(UnreadableWeightsError, match="mkdir"):
        read_weights(b"".join(pickle.dumps(part, protocol=2) for part in parts))
    assert not (tmp_path / "called").exists()


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [(0, (3, 2), (2, 1)), (4, (2,), (1,)), (-1, (2,), (1,)), (0, (2,), (-1,)), (0, (2,), (1 << 40,))],
)
def test_a_tensor_that_reaches_outside_its_storage_is_refused(
    offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> None:
    with pytest.raises(UnreadableWeightsError, match="outside its storage"):
        read_weights(_weights_file([1.0, 2.0, 3.0, 4.0, 5.0], offset, shape, strides))


def test_a_transposed_tensor_is_read_in_its_own_order() -> None:
    tensors = read_weights(_weights_file([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], offset=0, shape=(3, 2), strides=(1, 3)))
    np.testing.assert_array_equal(tensors["weight"], [[1, 4], [2, 5], [3, 6]])


def _weights_file(values: list[float], offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> bytes:
    """Write a file of one tensor `weight` as PyTorch wrote them before 1.6.

    The pickle is written out, since only PyTorch can dump one that names PyTorch's classes.
    """
    state = (
        b"\x80\x02ccollections\nOrderedDict\n)R(X\x06\x00\x00\x00weightctorch._utils\n_rebuild_tensor_v2\n("
        b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu"
        + _pickled(len(values)) + b"NtQ" + _pickled(offset) + _pickled(shape) + _pickled(strides)
        + b"\x89ccollections\nOrderedDict\n)RtRu."
    )  # fmt: skip
    properties: dict[str, object] = {}
    heads = b"".join(pickle.dumps(part, protocol=2) for part in (MAGIC, PROTOCOL, properties))
    storage = struct.pack(f"<q{len(values)}f", len(values), *values)
    return heads + state + pickle.dumps(["0"], protocol=2) + storage


def _pickled(value: object) -> bytes:
    """Return the opcodes that push `value`, without the pickle's header and stop."""
    return pickle.dumps(value, protocol=2)[2:-1]
