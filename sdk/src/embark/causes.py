"""Causes: why a key has no embedding."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class CauseKind(StrEnum):
    """The kinds of cause; the texts are stored, so they never change."""

    NOT_FOUND = "not_found"
    UNDECODABLE = "undecodable"
    BLOCKED = "blocked"
    UNREACHABLE = "unreachable"
    ENCODER_FAILED = "encoder_failed"
    INVALID_KEY = "invalid_key"
    UNREADABLE = "unreadable"


# A retry cannot change these: the key becomes a negative at once.
PERMANENT = frozenset({CauseKind.NOT_FOUND, CauseKind.UNDECODABLE, CauseKind.BLOCKED, CauseKind.INVALID_KEY})
# Bounds what an origin can put into a row or a log line.
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
        """Whether a retry is pointless."""
        return self.kind in PERMANENT

    def to_text(self) -> str:
        """Return the stored form, `kind: detail`."""
        return f"{self.kind.value}: {self.detail}"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse the stored form.

        Raises:
            ValueError: the text does not begin with a known kind.
        """
        kind, _, detail = text.partition(": ")
        return cls(CauseKind(kind), detail)

    def __str__(self) -> str:
        return f"{self.kind.value} ({self.detail})"


class CauseError(Exception):
    """An item cannot be encoded; carries the cause."""

    def __init__(self, kind: CauseKind, detail: str) -> None:
        self.cause = Cause(kind, detail)
        super().__init__(str(self.cause))
