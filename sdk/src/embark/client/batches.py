"""How many keys make one request, and keys and vectors as it holds them; used by the plans and by streams."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from embark.space import VectorForm

Keys = Sequence[str | bytes]
Vector = npt.NDArray[np.generic] | Sequence[float]
"""One vector, [dimension]."""

# A quarter of what a channel takes: room for the active space to change to one of larger vectors.
MAX_BATCH_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """The most one request may ask for: `keys` keys, whose rows have `row_bytes` bytes each."""

    keys: int = 1024
    row_bytes: int = 0


def encode_keys(keys: Keys) -> list[bytes]:
    """Return the keys as they travel.

    A lone surrogate becomes bytes that are not UTF-8: the server then calls that one key INVALID, and answers the rest.

    Raises:
        TypeError: the keys are one str or bytes, or one of them is neither.
    """
    if isinstance(keys, str | bytes):
        raise TypeError(f"keys is one {type(keys).__name__}; a sequence of keys is expected, such as [key]")
    return [_encode(key, index) for index, key in enumerate(keys)]


def _encode(key: object, index: int) -> bytes:
    if isinstance(key, bytes):
        return key
    if isinstance(key, str):
        return key.encode(errors="surrogatepass")
    raise TypeError(f"keys[{index}] is a {type(key).__name__}; a key is str or bytes")


def split(keys: Sequence[bytes], limits: Limits) -> list[slice]:
    """Return consecutive slices that cover `keys`, each within the limits and MAX_BATCH_BYTES, unless it is one key."""
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


def rows_of_form(vectors: npt.NDArray[np.generic], count: int, form: VectorForm) -> npt.NDArray[np.generic]:
    """Return `vectors` [count, dimension] in the space's form, cast where no more than precision is lost.

    Raises:
        ValueError: another shape, a dtype that is not real numbers, or a number that the form cannot hold.
    """
    array = np.asarray(vectors)
    if array.shape != (count, form.dimension):
        raise ValueError(
            f"vectors has shape {array.shape}; {count} keys of this space need ({count}, {form.dimension})"
        )
    if array.dtype.kind not in "fiu":
        raise ValueError(f"vectors has dtype {array.dtype}; real numbers are needed, they are stored as {form.dtype}")
    with np.errstate(over="ignore"):
        rows = np.ascontiguousarray(array, dtype=form.numpy)
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise ValueError(f"vectors[{int(np.argmin(finite))}] holds a number that is not finite as {form.dtype}")
    return rows


def vector_of_form(vector: Vector, form: VectorForm) -> bytes:
    """Return one vector in the space's form, as it travels; raises as rows_of_form."""
    array = np.asarray(vector)
    if array.shape != (form.dimension,):
        raise ValueError(f"the vector has shape {array.shape}; one of this space has ({form.dimension},)")
    return rows_of_form(array[np.newaxis], 1, form).tobytes()
