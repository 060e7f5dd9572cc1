"""Why a key has no embedding: the one vocabulary of Retina, KFC, the store and the replies."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class CauseKind(StrEnum):
    """The kinds of cause; the texts are kept in the store, so they never change."""

    NOT_FOUND = "not_found"
    UNDECODABLE = "undecodable"
    BLOCKED = "blocked"
    UNREACHABLE = "unreachable"
    ENCODER_FAILED = "encoder_failed"
    INVALID_KEY = "invalid_key"
    UNREADABLE = "unreadable"


# Another attempt cannot change these: the key becomes a negative at once.
PERMANENT = frozenset({CauseKind.NOT_FOUND, CauseKind.UNDECODABLE, CauseKind.BLOCKED, CauseKind.INVALID_KEY})
# A pathological origin must not fill a row or a log line.
MAX_DETAIL = 300


@dataclass(frozen=True, slots=True)
class Cause:
    """A kind for programs and a detail for people; the detail holds at most MAX_DETAIL characters."""

    kind: CauseKind
    detail: str

    def __post_init__(self) -> None:
        printable = "".join(c if c.isprintable() else " " for c in self.detail)
        object.__setattr__(self, "detail", printable[:MAX_DETAIL])

    @property
    def permanent(self) -> bool:
        """Whether another attempt is pointless."""
        return self.kind in PERMANENT

    def to_text(self) -> str:
        """Return the form that the store keeps, `kind: detail`."""
        return f"{self.kind.value}: {self.detail}"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read what to_text wrote.

        Raises:
            ValueError: the text does not begin with a known kind.
        """
        kind, _, detail = text.partition(": ")
        return cls(CauseKind(kind), detail)

    def __str__(self) -> str:
        return f"{self.kind.value} ({self.detail})"


class CauseError(Exception):
    """Raised where an item turns out not to be encodable; carries the cause."""

    def __init__(self, kind: CauseKind, detail: str) -> None:
        self.cause = Cause(kind, detail)
        super().__init__(str(self.cause))
