"""ModelEncoder: the protocol of a loaded model with its preprocessing, and the items and outcomes it works on."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from embark.causes import Cause

Floats = NDArray[np.float32]
Input = TypeVar("Input")
"""The model's input for one item."""


class ItemKind(Enum):
    """How to read the payload of an item."""

    CONTENT = "content"
    TENSOR = "tensor"


@dataclass(frozen=True, slots=True)
class EncoderItem:
    """One item to encode.

    Its payload is CONTENT, the bytes of an image file or the UTF-8 of a text, or TENSOR, a preprocessed model input.
    """

    kind: ItemKind
    payload: bytes


@dataclass(frozen=True, slots=True)
class Encoded:
    """A vector in the space's binary form, and the SHA-256 of the content that it encodes (empty for a tensor)."""

    vector: bytes
    content_hash: bytes


Outcome = Encoded | Cause


class ModelEncoder(Protocol[Input]):
    """A loaded model with its preprocessing; every method is thread-safe."""

    @property
    def sizes(self) -> Sequence[int]:
        """The allowed batch sizes, ascending from 1; a row has the same bits in each of them."""
        ...

    def prepare(self, item: EncoderItem) -> tuple[Input, bytes]:
        """Return the model's input for `item`, and the content's hash.

        Raises:
            CauseError: UNDECODABLE; the item cannot be encoded.
        """
        ...

    def run(self, inputs: Sequence[Input]) -> Floats:
        """Return the model's rows [len(inputs), dimension] for prepared inputs; len(inputs) is one of `sizes`."""
        ...
