"""What the re-embedding does with one page of the source, given what the candidate has of it; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from embark.causes import CauseKind
from embark.store import KeyRow, Negative


@dataclass(frozen=True, slots=True)
class PagePlan:
    """The keys of a page, each in one of the parts or counted."""

    encode: Sequence[str]
    """Keys with an embedding in the source: they fail where the candidate's encoder has none for them."""
    retry: Sequence[str]
    """Keys that the source's encoder had no embedding for; another may have, and none of them counts as failed."""
    copies: Sequence[Negative]
    done: int
    """Keys that need nothing."""
    failed: int
    """Keys that were lost before: a negative of the candidate, an embedding in the source."""

    @property
    def keys(self) -> int:
        """The number of keys that are not counted yet."""
        return len(self.encode) + len(self.retry) + len(self.copies)


def plan_page(rows: Sequence[KeyRow], held: Mapping[str, KeyRow], *, retry_failed: bool) -> PagePlan:
    """Return what to do with the rows of the source, where the candidate has `held`.

    A negative is copied, unless its cause lies with the encoder: 404 is 404 whatever the model. `retry_failed` encodes
    the keys that were lost before once more.
    """
    encode, retry, copies = [], [], []
    done = failed = 0
    for row in rows:
        there = held.get(row.key)
        lost = isinstance(there, Negative) and not isinstance(row, Negative)
        if lost and not retry_failed:
            failed += 1
        elif there is not None and not lost:
            done += 1
        elif not isinstance(row, Negative):
            encode.append(row.key)
        elif row.cause.kind is CauseKind.UNDECODABLE:
            retry.append(row.key)
        else:
            copies.append(row)
    return PagePlan(encode, retry, copies, done, failed)
