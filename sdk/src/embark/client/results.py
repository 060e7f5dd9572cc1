"""What the client's methods return."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from embark.causes import Cause
from embark.space import VectorForm
from embark.statuses import KeyStatus


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """The result of a lookup; every row is of the same space.

    Attributes:
        vectors: One row per key in the order of the request, [number of keys, dimension] in the space's dtype,
            contiguous and read-only. The row of a key whose status is not HIT holds the OOV embedding.
        statuses: One status per key.
        space: The id of the space.
        causes: Why a key is NEGATIVE or INVALID, by the key's index.
    """

    vectors: npt.NDArray[np.floating]
    statuses: tuple[KeyStatus, ...]
    space: str
    causes: Mapping[int, Cause] = field(default_factory=dict)

    @property
    def hits(self) -> npt.NDArray[np.bool_]:
        """Which rows are embeddings of their keys: a mask for `vectors`, [number of keys]."""
        return np.array([status is KeyStatus.HIT for status in self.statuses], dtype=np.bool_)

    def __len__(self) -> int:
        return len(self.statuses)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The result of a prefetch, a put or an invalidation.

    Attributes:
        statuses: One status per key, in the order of the request.
        causes: Why a key is NEGATIVE or INVALID, by the key's index.
    """

    statuses: tuple[KeyStatus, ...]
    causes: Mapping[int, Cause] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.statuses)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The result of a similarity search, nearest first.

    Attributes:
        keys: The nearest keys.
        scores: The cosine of the angle between the query and each key's embedding, in [-1, 1].
        status: The status of the query's key, which has neighbours only if it is HIT; None if the query is a vector.
        space: The id of the space that was searched.
        cause: Why the query's key is NEGATIVE or INVALID.
    """

    keys: tuple[str, ...]
    scores: tuple[float, ...]
    status: KeyStatus | None
    space: str
    cause: Cause | None = None

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(frozen=True, slots=True, eq=False)
class SpaceDescription:
    """A space as the server serves it now.

    Attributes:
        space: The id of the space.
        form: Dimension and dtype of its vectors.
        modality: `image` or `text`.
        preprocessing: The preprocessing profile.
        role: The prefix of every text, for models that tell queries from passages; else empty.
        normalization: How the vectors are normalized.
        model_digest: The model's digest, `sha256:` and 64 hex digits.
        output_tensor: The model's output that is the embedding.
        oov_vector: The OOV embedding, [dimension] in the space's dtype.
        entries: How many embeddings the space holds.
        max_keys_per_request: How many keys the server accepts in one request; the client splits larger ones.
    """

    space: str
    form: VectorForm
    modality: str
    preprocessing: str
    role: str
    normalization: str
    model_digest: str
    output_tensor: str
    oov_vector: npt.NDArray[np.floating]
    entries: int
    max_keys_per_request: int

    @property
    def dimension(self) -> int:
        """The number of elements of an embedding."""
        return self.form.dimension


@dataclass(frozen=True, slots=True)
class RolloutDescription:
    """The progress of the re-embedding into a space; all zeros before its first range has begun.

    Attributes:
        ranges_begun: Token ranges of the source space with a checkpoint.
        ranges_over: Token ranges that are finished.
        done: Keys encoded so far.
        failed: Keys that could not be encoded.
    """

    ranges_begun: int
    ranges_over: int
    done: int
    failed: int
