"""What the batcher asks of an encoder: `images` and `texts` implement it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from embark.causes import Cause

Floats = NDArray[np.float32]
Input = TypeVar("Input")
"""One item as the model takes it."""


class ItemKind(Enum):
    """What the bytes of an item are."""

    CONTENT = "content"
    TENSOR = "tensor"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to encode: the bytes of an image file or a text's UTF-8, or a preprocessed input of the model."""

    kind: ItemKind
    payload: bytes


@dataclass(frozen=True, slots=True)
class Encoded:
    """A vector in the space's form, and the SHA-256 of the content it was made from (empty for a tensor)."""

    vector: bytes
    content_hash: bytes


Outcome = Encoded | Cause


class Encoder(Protocol[Input]):
    """A loaded model with its preprocessing; every method is called from several threads at once."""

    @property
    def sizes(self) -> Sequence[int]:
        """How many items a run may have, ascending from 1: a row's bits are the same in each of them."""
        ...

    def prepare(self, item: Item) -> tuple[Input, bytes]:
        """Return the model's input for `item`, and the content's hash.

        Raises:
            CauseError: UNDECODABLE; the item cannot be encoded.
        """
        ...

    def run(self, inputs: Sequence[Input]) -> Floats:
        """Return the model's rows [len(inputs), dimension] for what `prepare` made; len(inputs) is one of `sizes`."""
        ...
