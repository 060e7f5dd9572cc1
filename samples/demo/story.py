"""The results of the demo: the answers for each key, and the nearest photographs."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of one lookup: its status, the time it took in milliseconds, and the cause of a negative."""

    status: str
    milliseconds: float
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A photograph and its cosine similarity, in [-1, 1]."""

    name: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Subject:
    """One key of the demo; `filled_after` is the seconds from its first lookup to its first answer other than OOV."""

    name: str
    key: str
    first: Answer
    last: Answer
    filled_after: float
    nearest: tuple[Neighbour, ...] = ()

    @property
    def known(self) -> bool:
        """Whether an earlier run filled it."""
        return not self.first.status.startswith("OOV")


@dataclass(frozen=True, slots=True)
class Story:
    """One run of the demo."""

    cache: str
    space: str
    dimension: int
    model: str
    subjects: tuple[Subject, ...]


def neighbours(names: list[str], vectors: npt.NDArray[np.float32], count: int) -> dict[str, tuple[Neighbour, ...]]:
    """Return for each name its `count` nearest others by cosine similarity; vectors is [n, dimension]."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -np.inf)
    order = np.argsort(-similarity, axis=1)[:, :count]
    return {
        name: tuple(Neighbour(names[other], float(similarity[row, other])) for other in order[row])
        for row, name in enumerate(names)
    }
