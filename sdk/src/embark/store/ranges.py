"""Token ranges, by which a space is scanned in parts.

Every key has a token, a signed 64-bit hash: Cassandra's own there, `to_token` in the other stores. A space is split by
arithmetic over all tokens, not by the hosts that hold them, so a part is the same range after a restart and after hosts
were added or removed.
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

# The tokens of Cassandra's Murmur3Partitioner. No key has the smallest one.
FIRST_TOKEN: Final = -(2**63)
LAST_TOKEN: Final = 2**63 - 1
# Every re-embedding splits the ring into this many ranges, whatever the number of its processes, so that any number of
# other processes can resume from the checkpoints.
REEMBED_RANGES: Final = 256


@dataclass(frozen=True, slots=True, order=True)
class TokenRange:
    """The tokens after `start` up to and including `end`; none if the two are equal."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not FIRST_TOKEN <= self.start <= self.end <= LAST_TOKEN:
            raise ValueError(f"{self.start} to {self.end} is not a range of tokens")


@dataclass(frozen=True)
class Scanned(Generic[R]):
    """A page of a scanned range; every row of it with a token up to `cursor` is in this page or an earlier one."""

    rows: Sequence[R]
    cursor: int


WHOLE_RING: Final = TokenRange(FIRST_TOKEN, LAST_TOKEN)

Page = Scanned[Row]
KeyPage = Scanned[KeyRow]


def split_ring(parts: int) -> Sequence[TokenRange]:
    """Return all tokens as `parts` ranges of equal size, each starting where the one before it ends.

    Raises:
        ValueError: `parts` is not positive.
    """
    if parts < 1:
        raise ValueError(f"a ring cannot be split into {parts} parts")
    bounds = [FIRST_TOKEN + (LAST_TOKEN - FIRST_TOKEN) * i // parts for i in range(parts + 1)]
    return [TokenRange(start, end) for start, end in pairwise(bounds)]


def to_token(key: str) -> int:
    """Return the token of a key in the stores without a hash of keys."""
    token = int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big", signed=True)
    return LAST_TOKEN if token == FIRST_TOKEN else token


def pages_between_tokens(
    fetched: Iterable[Sequence[tuple[int, R | None]]], end: int, size: int
) -> Iterator[Scanned[R]]:
    """Yield the rows that a store fetched of a range in pages that end between two tokens; the last cursor is `end`.

    `fetched` yields at most `size` rows at a time in the order of their tokens, None for an expired row. The rows of
    the last token are held back until the next token is seen. If more than `size` share a token, which happens only
    with keys chosen for it, they are yielded with a cursor before them: a scan that stops there reads them again.
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
        elif len(held) > size:
            yield Scanned(_rows(held), held[-1][0] - 1)
            held = []
    yield Scanned(_rows(held), end)


def _rows(entries: Sequence[tuple[int, R | None]]) -> Sequence[R]:
    return [row for _, row in entries if row is not None]
