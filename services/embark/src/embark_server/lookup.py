"""The core of lookups: hot tier, then store, then the OOV embedding and a fill request."""

import logging
from collections.abc import Iterable, Mapping, Sequence

from embark.causes import CauseError
from embark.clock import Micros
from embark.errors import UnavailableError
from embark.keys import parse_key
from embark.statuses import KeyStatus
from embark.store import Served, Value
from embark_server.answers import Answer
from embark_server.calls import CallContext
from embark_server.context import ServerContext
from embark_server.fills import Fills
from embark_server.spaces import ServedSpace
from embark_server.waits import Waits

_FILLING = frozenset({KeyStatus.OOV_ENQUEUED, KeyStatus.OOV_PENDING})


class Lookups:
    """Answers the lookups of one server; thread-safe."""

    def __init__(self, context: ServerContext, fills: Fills, waits: Waits) -> None:
        self._store = context.store
        self._clock = context.clock
        self._metrics = context.metrics
        self._fills = fills
        self._waits = waits
        self._log = logging.getLogger(__name__)

    def answer(
        self, served: ServedSpace, keys: Sequence[bytes], hot: Sequence[Value | None], call: CallContext, budget: float
    ) -> Answer:
        """Answer `keys`, given their values `hot` from the hot tier; wait up to `budget` seconds for fills."""
        answer = Answer(keys, hot, served.oov)
        self._settle_cold(served, answer, call, keep=True)
        pending = answer.keys_with(_FILLING) if budget > 0 else []
        if pending:
            self._wait(served, answer, pending, call, budget)
        return answer

    def prefetch(self, served: ServedSpace, keys: Sequence[bytes], call: CallContext) -> Answer:
        """Request fills of keys without a row; rows of the store are not brought into the hot tier."""
        answer = Answer(keys, served.hot.get_many(keys, self._clock()), served.oov)
        self._settle_cold(served, answer, call, keep=False)
        return answer

    def _settle_cold(self, served: ServedSpace, answer: Answer, call: CallContext, *, keep: bool) -> None:
        texts = parse_keys(answer, answer.cold_keys())
        if not texts:
            return
        try:
            rows, unservable = self._read(served, texts, call, keep=keep)
            not_before = self._outdate(served, unservable, call) if unservable and served.filled else {}
        except UnavailableError:
            answer.settle(texts, KeyStatus.UNAVAILABLE)
            return
        answer.settle_rows(rows)
        missed = [key for key in texts if key not in rows]
        if not missed:
            return
        if not served.filled:
            # The previous space is not filled. SHED is accurate: no embedding, and no fill was requested.
            answer.settle(missed, KeyStatus.SHED)
            return
        options = self._fills.options(call, self._clock())
        for key, status in self._fills.request(missed, options, not_before).items():
            answer.settle([key], status)

    def _wait(
        self, served: ServedSpace, answer: Answer, pending: Iterable[bytes], call: CallContext, budget: float
    ) -> None:
        answer.waited = True
        texts = {key: key.decode() for key in pending}
        with self._waits.admit(call, budget) as wait:
            while wait and texts and wait.pause():
                try:
                    rows, _ = self._read(served, texts, call, keep=True)
                except UnavailableError:
                    # The keys stay enqueued or pending, which is still accurate.
                    continue
                answer.settle_rows(rows)
                texts = {key: text for key, text in texts.items() if key not in rows}

    def _read(
        self, served: ServedSpace, texts: Mapping[bytes, str], call: CallContext, *, keep: bool
    ) -> tuple[dict[bytes, Value], dict[bytes, str]]:
        """Return the servable values of the store, and the keys whose rows do not have the space's form."""
        epoch = served.hot.epoch
        found = self._store.lookup(served.id, list(texts.values()), call.remaining())
        nbytes = served.nbytes
        rows: dict[bytes, Served] = {}
        unservable: dict[bytes, str] = {}
        for key, text in texts.items():
            row = found.get(text)
            if row is None:
                continue
            if isinstance(row[0], bytes) and len(row[0]) != nbytes:
                unservable[key] = text
            else:
                rows[key] = row
        if unservable:
            self._report(served, list(unservable.values()))
        if keep and rows:
            served.hot.put_many(rows, self._clock(), epoch)
        return {key: value for key, (value, _) in rows.items()}, unservable

    def _outdate(self, served: ServedSpace, unservable: Mapping[bytes, str], call: CallContext) -> dict[bytes, Micros]:
        """Return, for each key, a time just after its unservable row was written."""
        rows = self._store.read(served.id, list(unservable.values()), call.remaining())
        # With this time in its fill, KFC does not accept the row as the result but overwrites it.
        return {key: rows[text].written_at + 1 for key, text in unservable.items() if text in rows}

    def _report(self, served: ServedSpace, unservable: Sequence[str]) -> None:
        self._metrics.unservable_rows.inc(len(unservable))
        self._log.warning(
            "rows are not served because their vectors do not have %d bytes; the first key: %s",
            served.nbytes,
            unservable[0],
            extra={"key": unservable[0], "space": served.id, "rows": len(unservable)},
        )


def parse_keys(answer: Answer, keys: Iterable[bytes]) -> dict[bytes, str]:
    """Return the texts of the valid keys; settle the others as INVALID with their cause."""
    texts = {}
    for key in keys:
        try:
            texts[key] = parse_key(key)
        except CauseError as error:
            answer.settle([key], KeyStatus.INVALID, error.cause)
    return texts
