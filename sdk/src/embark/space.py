"""Spaces: sets of comparable embeddings, named by what makes them comparable."""

import hashlib
import json
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from embark.spec.encoder import DType, Encoder, Modality, Normalization, Preprocessing
from embark.spec.model import Model

ID_LENGTH: Final = 12


@dataclass(frozen=True, slots=True)
class VectorForm:
    """The memory layout of one vector: `dimension` elements of `dtype`, little-endian, contiguous."""

    dimension: int
    dtype: DType

    @property
    def numpy(self) -> np.dtype[np.generic]:
        """The NumPy dtype of an element, little-endian on every machine."""
        return np.dtype("<f4" if self.dtype is DType.FLOAT32 else "<f2")

    @property
    def nbytes(self) -> int:
        """Bytes of one vector."""
        return self.dimension * int(self.numpy.itemsize)

    def zeros(self) -> bytes:
        """Return the vector of zeros."""
        return bytes(self.nbytes)


class Space(Model):
    """All that determines whether two embeddings can be compared; `id` names it."""

    model_digest: str
    modality: Modality
    preprocessing: Preprocessing
    role: str
    output_tensor: str
    dimension: int
    dtype: DType
    normalization: Normalization

    @classmethod
    def from_encoder(cls, encoder: Encoder) -> Self:
        """Return the space that `encoder` writes; the encoder's other fields do not change it."""
        return cls(
            model_digest=encoder.model.digest,
            modality=encoder.modality,
            preprocessing=encoder.preprocessing,
            role=encoder.role,
            output_tensor=encoder.output.tensor,
            dimension=encoder.output.dimension,
            dtype=encoder.output.dtype,
            normalization=encoder.output.normalization,
        )

    @property
    def id(self) -> str:
        """The first 12 hex digits of sha256 over the canonical JSON (sorted keys, no spaces, UTF-8) of the fields."""
        fields = self.model_dump(mode="json", by_alias=True)
        canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()[:ID_LENGTH]

    @property
    def form(self) -> VectorForm:
        """The memory layout of a vector of this space."""
        return VectorForm(self.dimension, self.dtype)
