"""The check of a candidate space before lookups switch to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from embark.causes import Cause
from embark.rollout.verdict import MAX_FAULTS, MAX_LOST, Verdict
from embark.space import Space, VectorForm
from embark.store import REEMBED_RANGES, KeyRow, Negative, RolloutStore, Served, TokenRange, split_ring
from embark.termination import MAX_TERMINATION_BYTES, TerminationMessage
from kfc.outages import Server
from kfc.scans import PAGE_ROWS, READ_TIMEOUT, RetryUntilUp, call_without_retry, scan_pages

# Characters of a key or a cause: a key may be as long as a whole verdict.
_SHOWN: Final = 100


@dataclass(frozen=True, slots=True)
class VerifyLimits:
    """How many keys and vectors a check reads."""

    ranges: int = REEMBED_RANGES
    """Equal parts of the ring."""
    page_rows: int = PAGE_ROWS
    """Keys that are checked in each range, at least: a page may have some more."""
    max_sampled: int = 1000
    """Vectors that are checked, spread over the ranges."""

    @property
    def sampled_per_range(self) -> int:
        """Vectors that are checked in each range."""
        return -(-self.max_sampled // self.ranges)


DEFAULT_LIMITS: Final = VerifyLimits()


def verify(
    store: RolloutStore,
    source: str,
    candidate: Space,
    retry_until_up: RetryUntilUp = call_without_retry,
    limits: VerifyLimits = DEFAULT_LIMITS,
) -> Verdict:
    """Return how many keys of `source` the candidate holds, and whether its vectors can be served.

    Every key is checked up to about `limits.page_rows` in each range, in larger spaces the first ones of each range. A
    missing key that the source no longer has does not count.

    Raises:
        UnavailableError: the store does not answer, and `retry_until_up` does not wait for it.
    """
    keys = held = failed = 0
    vectors: dict[str, bytes] = {}
    lost: list[str] = []
    for token_range in split_ring(limits.ranges):
        rows = _first_rows(store, source, token_range, retry_until_up, limits.page_rows)
        found = _look_up(store, candidate.id, [row.key for row in rows], retry_until_up)
        missed = [row.key for row in rows if row.key not in found]
        keys += len(found) + len(_look_up(store, source, missed, retry_until_up))
        held += len(found)
        causes = _lost(rows, found)
        failed += len(causes)
        lost += [f"{_show(key)}: {_show(str(cause))}" for key, cause in causes.items()][: MAX_LOST - len(lost)]
        sample = _vectors(found)
        vectors |= dict(list(sample.items())[: min(limits.sampled_per_range, limits.max_sampled - len(vectors))])
    faults = find_faults(vectors, candidate.form)
    verdict = Verdict(keys=keys, held=held, failed=failed, sampled=len(vectors), faults=faults, lost=tuple(lost))
    return fit(verdict)


def fit(verdict: Verdict) -> Verdict:
    """Return the verdict with as many lost keys as fit into a termination message."""
    while verdict.lost and len(TerminationMessage(verdict=verdict).to_json().encode()) > MAX_TERMINATION_BYTES:
        verdict = verdict.model_copy(update={"lost": verdict.lost[:-1]})
    return verdict


def find_faults(vectors: Mapping[str, bytes], form: VectorForm) -> tuple[str, ...]:
    """Return what is wrong with the vectors, each message with a key; at most MAX_FAULTS."""
    faults = [f"{_show(key)} {fault}" for key, vector in vectors.items() if (fault := _fault(vector, form))]
    if not faults and len(vectors) > 1 and len(set(vectors.values())) == 1:
        faults = [f"all {len(vectors)} sampled vectors are equal, among them that of {_show(next(iter(vectors)))}"]
    return tuple(faults[:MAX_FAULTS])


def _fault(vector: bytes, form: VectorForm) -> str:
    if len(vector) != form.nbytes:
        return f"has {len(vector)} bytes instead of {form.nbytes}"
    if not np.isfinite(np.frombuffer(vector, form.numpy)).all():
        return "has an element that is not finite"
    return ""


def _first_rows(
    store: RolloutStore, source: str, token_range: TokenRange, retry_until_up: RetryUntilUp, page_rows: int
) -> Sequence[KeyRow]:
    """Return the first `page_rows` rows of a range, or some more: a page may end early, between two tokens."""
    rows: list[KeyRow] = []
    for page in scan_pages(store, source, token_range, retry_until_up, page_rows):
        rows += page.rows
        if len(rows) >= page_rows:
            break
    return rows


def _look_up(
    store: RolloutStore, space: str, keys: Sequence[str], retry_until_up: RetryUntilUp
) -> Mapping[str, Served]:
    if not keys:
        return {}
    return retry_until_up(Server.STORE, lambda: store.lookup(space, keys, READ_TIMEOUT))


def _vectors(served: Mapping[str, Served]) -> Mapping[str, bytes]:
    return {key: value for key, (value, _) in served.items() if isinstance(value, bytes)}


def _lost(rows: Sequence[KeyRow], served: Mapping[str, Served]) -> Mapping[str, Cause]:
    """Return the causes, by key, of the keys with an embedding in the source and a negative in the candidate."""
    found = {row.key: served[row.key][0] for row in rows if not isinstance(row, Negative) and row.key in served}
    return {key: value for key, value in found.items() if isinstance(value, Cause)}


def _show(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
