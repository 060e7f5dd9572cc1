"""What callers of the client get back: an array with a status for every key, statuses alone, or neighbours."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from embark.causes import Cause
from embark.statuses import KeyStatus


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """The answer to a look-up, all of one space.

    `vectors` is [number of keys, dimension] of the space's dtype, contiguous and read-only, with a row for every key in
    the order asked; a row whose status is not HIT holds the OOV embedding. `causes` is by the key's index.
    """

    vectors: npt.NDArray[np.floating]
    statuses: tuple[KeyStatus, ...]
    space: str
    causes: Mapping[int, Cause] = field(default_factory=dict)

    @property
    def hits(self) -> npt.NDArray[np.bool_]:
        """Which rows are embeddings of their keys, as a mask for `vectors`."""
        return np.array([status is KeyStatus.HIT for status in self.statuses], dtype=np.bool_)

    def __len__(self) -> int:
        return len(self.statuses)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The answer to a prefetch, a put or an invalidation: what became of every key, in the order asked."""

    statuses: tuple[KeyStatus, ...]
    causes: Mapping[int, Cause] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.statuses)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The answer to a search: the keys nearest to what was asked, nearest first, with their cosines in [-1, 1].

    `status` is that of the asked key, which has neighbours only as a HIT, and `cause` why it is NEGATIVE or INVALID;
    both are None where a vector was asked.
    """

    keys: tuple[str, ...]
    scores: tuple[float, ...]
    status: KeyStatus | None
    space: str
    cause: Cause | None = None

    def __len__(self) -> int:
        return len(self.keys)
