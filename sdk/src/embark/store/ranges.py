"""Ranges of tokens, by which a space is scanned in parts; stores scan them, the re-embedding job splits and resumes.

Every key has a token, a signed 64-bit hash: Cassandra's own there, `to_token` in the other stores. A space is split by
arithmetic over all tokens, not by which host holds them, so a part is the same range after a restart and after hosts
have come and gone.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from operator import itemgetter
from typing import Final, Generic, TypeVar

from embark.store.rows import KeyRow, Row

R = TypeVar("R")

# The tokens of Cassandra's Murmur3Partitioner. No key has the least one.
FIRST_TOKEN: Final = -(2**63)
LAST_TOKEN: Final = 2**63 - 1
# Into so many ranges every re-embedding splits the ring, however many processes share them: so that any number of
# others can take up the checkpoints that they leave.
REEMBED_RANGES: Final = 256


@dataclass(frozen=True, slots=True, order=True)
class TokenRange:
    """The tokens after `start` up to and including `end`; none where the two are equal."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not FIRST_TOKEN <= self.start <= self.end <= LAST_TOKEN:
            raise ValueError(f"{self.start} to {self.end} is no range of tokens")


@dataclass(frozen=True)
class Scanned(Generic[R]):
    """Rows of a scanned range; every row of the range whose token is at most `cursor` is in this page or before it."""

    rows: Sequence[R]
    cursor: int


Page = Scanned[Row]
KeyPage = Scanned[KeyRow]


def split_ring(parts: int) -> Sequence[TokenRange]:
    """Return all tokens as `parts` ranges of equal size, each beginning where the one before it ends.

    Raises:
        ValueError: `parts` is not positive.
    """
    if parts < 1:
        raise ValueError(f"a ring cannot be split into {parts} parts")
    bounds = [FIRST_TOKEN + (LAST_TOKEN - FIRST_TOKEN) * i // parts for i in range(parts + 1)]
    return [TokenRange(start, end) for start, end in pairwise(bounds)]


def to_token(key: str) -> int:
    """Return the token of a key in the stores that bring no hash of their own."""
    token = int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big", signed=True)
    return LAST_TOKEN if token == FIRST_TOKEN else token


def pages_of(fetched: Iterable[Sequence[tuple[int, Row | None]]], end: int, most: int) -> Iterator[Page]:
    """Yield rows as `pages_between_tokens` does."""
    return pages_between_tokens(fetched, end, most)


def pages_between_tokens(
    fetched: Iterable[Sequence[tuple[int, R | None]]], end: int, most: int
) -> Iterator[Scanned[R]]:
    """Yield what a store has fetched of a range, as pages that end between two tokens; the last has `end` as cursor.

    `fetched` has at most `most` rows at a time in the order of their tokens, None for a row that is over. The rows of
    the last token are held back until the next one is seen. Should more than `most` share a token, which only keys made
    for it do, they are passed on and the cursor stays before them: a scan that stops there reads them again.
    """
    held: list[tuple[int, R | None]] = []
    for found in fetched:
        held += found
        if not held:
            continue
        whole = bisect_left(held, held[-1][0], key=itemgetter(0))
        if whole:
            yield Scanned(_rows(held[:whole]), held[whole - 1][0])
            held = held[whole:]
        elif len(held) > most:
            yield Scanned(_rows(held), held[-1][0] - 1)
            held = []
    yield Scanned(_rows(held), end)


def _rows(entries: Sequence[tuple[int, R | None]]) -> Sequence[R]:
    return [row for _, row in entries if row is not None]
