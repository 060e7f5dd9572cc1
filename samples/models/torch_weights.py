"""Reads the weights in a PyTorch file of the format before 1.6, without PyTorch.

The file is four pickles (a magic number, a protocol version, properties of the machine, the state dict), a fifth with
the keys of the storages in file order, and then each storage: its length as an int64 and its raw little-endian values.
A pickle can make its reader call any function, so this reader accepts only the four names that weights need.
"""

import collections
import io
import pickle
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
STORAGE_DTYPES: dict[str, np.dtype[np.generic]] = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class UnreadableWeightsError(Exception):
    """The file is not weights in this format, or names something that weights do not need."""


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """The position of one tensor's values in the storage `key`; `offset` and `strides` count values, not bytes."""

    key: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_weights(content: bytes) -> dict[str, NDArray[np.float32]]:
    """Return the float tensors of a state dict by name; integer ones, which only training needs, are left out.

    Raises:
        UnreadableWeightsError: the content has another format, or names anything besides the four names of weights.
    """
    file = io.BytesIO(content)
    if _WeightsUnpickler(file).load() != MAGIC or _WeightsUnpickler(file).load() != PROTOCOL:
        raise UnreadableWeightsError("not a PyTorch file of the format before 1.6")
    _WeightsUnpickler(file).load()  # byte order and type sizes of the writer; the storages are little-endian regardless
    states = _WeightsUnpickler(file)
    tensors: dict[str, StoredTensor] = states.load()
    keys: list[str] = _WeightsUnpickler(file).load()
    storages = {key: _read_storage(file, STORAGE_DTYPES[states.storage_types[key]]) for key in keys}
    return {
        name: _values(storages[tensor.key], tensor)
        for name, tensor in tensors.items()
        if states.storage_types[tensor.key] == "FloatStorage"
    }


class _WeightsUnpickler(pickle.Unpickler):
    """Unpickles a state dict into `StoredTensor`s; every other name in a pickle is rejected before it is looked up."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.storage_types: dict[str, str] = {}

    def find_class(self, module: str, name: str, /) -> object:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _stored_tensor
        if module == "torch" and name in STORAGE_DTYPES:
            return name
        raise UnreadableWeightsError(f"the file names {module}.{name}, which is not part of weights; it was not called")

    def persistent_load(self, pid: tuple[str, str, str, str, int, None], /) -> str:
        _, storage_type, key, _, _, _ = pid
        self.storage_types[key] = storage_type
        return key


def _stored_tensor(
    key: str, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_gradient: object
) -> StoredTensor:
    """Stand in for `torch._utils._rebuild_tensor_v2`."""
    return StoredTensor(key, offset, shape, strides)


def _read_storage(file: io.BytesIO, dtype: np.dtype[np.generic]) -> NDArray[np.generic]:
    (length,) = struct.unpack("<q", file.read(8))
    values = file.read(length * dtype.itemsize)
    if len(values) != length * dtype.itemsize:
        raise UnreadableWeightsError("the file ends within a storage")
    return np.frombuffer(values, dtype)


def _values(storage: NDArray[np.generic], tensor: StoredTensor) -> NDArray[np.float32]:
    """Return a tensor's values in row-major order, after checking that all of them are within its storage."""
    steps = list(zip(tensor.shape, tensor.strides, strict=True))
    last = tensor.offset + sum((count - 1) * stride for count, stride in steps)
    if tensor.offset < 0 or any(count < 1 or stride < 0 for count, stride in steps) or last >= len(storage):
        raise UnreadableWeightsError(f"{tensor} reaches outside its storage of {len(storage)} values")
    strides = [stride * storage.itemsize for stride in tensor.strides]
    view = np.lib.stride_tricks.as_strided(storage[tensor.offset :], tensor.shape, strides, writeable=False)
    return view.astype(np.float32, order="C")
