"""Keys and vectors as requests carry them, and how they are split into requests."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from embark.space import VectorForm

Keys = Sequence[str | bytes]
Vector = npt.NDArray[np.generic] | Sequence[float]
"""One vector, [dimension]."""

# A quarter of a channel's message limit, which leaves room for the active space to change to one of larger vectors.
MAX_BATCH_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """The limits of one request."""

    keys: int = 1024
    """The maximum number of keys."""
    row_bytes: int = 0
    """The bytes of one key's vector."""


def encode_keys(keys: Keys) -> list[bytes]:
    """Return the keys as requests carry them.

    A lone surrogate becomes bytes that are not UTF-8, so that the server marks only that key INVALID.

    Raises:
        TypeError: `keys` is a single str or bytes, or a key is neither.
    """
    if isinstance(keys, str | bytes):
        raise TypeError(f"keys is a single {type(keys).__name__}; pass a sequence of keys, such as [key]")
    return [_encode(key, index) for index, key in enumerate(keys)]


def _encode(key: object, index: int) -> bytes:
    if isinstance(key, bytes):
        return key
    if isinstance(key, str):
        return key.encode(errors="surrogatepass")
    raise TypeError(f"keys[{index}] is a {type(key).__name__}; a key must be str or bytes")


def split(keys: Sequence[bytes], limits: BatchLimits) -> list[slice]:
    """Return consecutive slices that cover `keys`, each of one key or within `limits` and MAX_BATCH_BYTES."""
    slices, start, size = [], 0, 0
    for index, key in enumerate(keys):
        weight = len(key) + limits.row_bytes
        if index > start and (index - start == limits.keys or size + weight > MAX_BATCH_BYTES):
            slices.append(slice(start, index))
            start, size = index, 0
        size += weight
    if keys:
        slices.append(slice(start, len(keys)))
    return slices


def to_rows(vectors: npt.NDArray[np.generic], count: int, form: VectorForm) -> npt.NDArray[np.generic]:
    """Return `vectors`, [count, dimension], cast to the dtype of `form`.

    Raises:
        ValueError: the shape is wrong, the numbers are not real, or one is not finite in the dtype of `form`.
    """
    array = np.asarray(vectors)
    if array.shape != (count, form.dimension):
        raise ValueError(
            f"vectors has shape {array.shape}; {count} keys of this space need shape ({count}, {form.dimension})"
        )
    if array.dtype.kind not in "fiu":
        raise ValueError(
            f"vectors has dtype {array.dtype}; it must be a dtype of real numbers, which are stored as {form.dtype}"
        )
    with np.errstate(over="ignore"):
        rows = np.ascontiguousarray(array, dtype=form.numpy)
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise ValueError(f"vectors[{int(np.argmin(finite))}] has a number that is not finite as {form.dtype}")
    return rows


def to_vector_bytes(vector: Vector, form: VectorForm) -> bytes:
    """Return one vector, [dimension], as requests carry it; raises as to_rows() does."""
    array = np.asarray(vector)
    if array.shape != (form.dimension,):
        raise ValueError(f"the vector has shape {array.shape}; this space needs ({form.dimension},)")
    return to_rows(array[np.newaxis], 1, form).tobytes()
