"""Looks at a candidate space before look-ups switch to it; `kfc.verify` and the local mode ask it for a verdict."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from embark.causes import Cause
from embark.rollout.verdict import MAX_FAULTS, MAX_LOST, Verdict
from embark.space import Space, VectorForm
from embark.store import REEMBED_RANGES, KeyRow, Negative, RolloutStore, Served, TokenRange, split_ring
from embark.termination import MAX_TERMINATION_BYTES, TerminationMessage
from kfc.outages import Server
from kfc.scans import PAGE_ROWS, READ_TIMEOUT, RetryUntilUp, call_without_retry, scan_patiently

# Vectors that are looked at themselves, spread over the ranges.
MOST_SAMPLED: Final = 1000
_SAMPLED_A_RANGE: Final = -(-MOST_SAMPLED // REEMBED_RANGES)
# A key may be as long as a verdict may be.
_SHOWN: Final = 100


def verify(
    store: RolloutStore, source: str, candidate: Space, retry_until_up: RetryUntilUp = call_without_retry
) -> Verdict:
    """Return what the candidate holds of the keys of `source`, and whether its vectors are fit to be served.

    Every key is looked at up to about PAGE_ROWS in each of REEMBED_RANGES equal parts of the ring, of larger spaces the
    first so many of each part. A key that the source has no longer, once it is missed, is no key.

    Raises:
        UnavailableError: the store does not answer, and `retry_until_up` does not wait for it as that of Outages does.
    """
    keys = held = failed = 0
    vectors: dict[str, bytes] = {}
    lost: list[str] = []
    for within in split_ring(REEMBED_RANGES):
        rows = _first_rows(store, source, within, retry_until_up)
        there = _look_up(store, candidate.id, [row.key for row in rows], retry_until_up)
        missed = [row.key for row in rows if row.key not in there]
        keys += len(there) + len(_look_up(store, source, missed, retry_until_up))
        held += len(there)
        causes = _lost(rows, there)
        failed += len(causes)
        lost += [f"{_show(key)}: {_show(str(cause))}" for key, cause in causes.items()][: MAX_LOST - len(lost)]
        sample = _vectors(there)
        vectors |= dict(list(sample.items())[: min(_SAMPLED_A_RANGE, MOST_SAMPLED - len(vectors))])
    faults = find_faults(vectors, candidate.form)
    verdict = Verdict(keys=keys, held=held, failed=failed, sampled=len(vectors), faults=faults, lost=tuple(lost))
    return fit(verdict)


def fit(verdict: Verdict) -> Verdict:
    """Return the verdict with no more lost keys named than fit into a termination message."""
    while verdict.lost and len(TerminationMessage(verdict=verdict).to_json().encode()) > MAX_TERMINATION_BYTES:
        verdict = verdict.model_copy(update={"lost": verdict.lost[:-1]})
    return verdict


def find_faults(vectors: Mapping[str, bytes], form: VectorForm) -> tuple[str, ...]:
    """Return what is wrong with vectors by key, each fault naming a key; MAX_FAULTS at most."""
    faults = [f"{_show(key)} {fault}" for key, vector in vectors.items() if (fault := _fault(vector, form))]
    if not faults and len(vectors) > 1 and len(set(vectors.values())) == 1:
        faults = [f"all {len(vectors)} vectors looked at are alike, that of {_show(next(iter(vectors)))} among them"]
    return tuple(faults[:MAX_FAULTS])


def _fault(vector: bytes, form: VectorForm) -> str:
    if len(vector) != form.nbytes:
        return f"has {len(vector)} bytes instead of {form.nbytes}"
    if not np.isfinite(np.frombuffer(vector, form.numpy)).all():
        return "has an element that is not finite"
    return ""


def _first_rows(store: RolloutStore, source: str, within: TokenRange, retry_until_up: RetryUntilUp) -> Sequence[KeyRow]:
    """Return the first PAGE_ROWS rows of a range, or somewhat more: a page may end early, between two tokens."""
    rows: list[KeyRow] = []
    for page in scan_patiently(store, source, within, retry_until_up, PAGE_ROWS):
        rows += page.rows
        if len(rows) >= PAGE_ROWS:
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
    """Return the causes by key of those that have an embedding in the source and a negative in the candidate."""
    there = {row.key: served[row.key][0] for row in rows if not isinstance(row, Negative) and row.key in served}
    return {key: value for key, value in there.items() if isinstance(value, Cause)}


def _show(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
