"""The core of look-ups: keys as bytes in, rows, statuses and causes out; hot tier, then store, then OOV and a fill."""

import logging
from collections.abc import Iterable, Mapping, Sequence

from embark.causes import CauseError
from embark.clock import Clock, Micros
from embark.errors import UnavailableError
from embark.keys import parse_key
from embark.statuses import KeyStatus
from embark.store import Served, Value
from embark_server.answers import Answer
from embark_server.calls import Call
from embark_server.fills import Fills
from embark_server.guarded_store import GuardedStore
from embark_server.metrics import Metrics
from embark_server.spaces import ServedSpace
from embark_server.waits import Waits

_WAITED_FOR = frozenset({KeyStatus.OOV_ENQUEUED, KeyStatus.OOV_PENDING})


class Lookups:
    """Answers look-ups of one server; every method may be called from any thread."""

    def __init__(self, store: GuardedStore, fills: Fills, waits: Waits, clock: Clock, metrics: Metrics) -> None:
        self._store = store
        self._fills = fills
        self._waits = waits
        self._clock = clock
        self._metrics = metrics
        self._log = logging.getLogger(__name__)

    def answer(
        self, served: ServedSpace, keys: Sequence[bytes], hot: Sequence[Value | None], call: Call, budget: float
    ) -> Answer:
        """Answer keys of which `hot` holds what the hot tier has, waiting up to `budget` seconds for fills."""
        answer = Answer(keys, hot, served.oov)
        self._ask_store(served, answer, call, keep=True)
        pending = answer.keys_with(_WAITED_FOR) if budget > 0 else []
        if pending:
            self._wait(served, answer, pending, call, budget)
        return answer

    def prefetch(self, served: ServedSpace, keys: Sequence[bytes], call: Call) -> Answer:
        """Ask for the fill of keys without a row; what the store has is not brought into the hot tier."""
        answer = Answer(keys, served.hot.get_many(keys, self._clock()), served.oov)
        self._ask_store(served, answer, call, keep=False)
        return answer

    def _ask_store(self, served: ServedSpace, answer: Answer, call: Call, *, keep: bool) -> None:
        texts = parse_keys(answer, answer.cold())
        if not texts:
            return
        try:
            rows, unservable = self._read(served, texts, call, keep=keep)
            outdated = self._outdate(served, unservable, call) if unservable and served.filled else {}
        except UnavailableError:
            answer.settle(texts, KeyStatus.UNAVAILABLE)
            return
        answer.settle_rows(rows)
        missed = [key for key in texts if key not in rows]
        if not missed:
            return
        if not served.filled:
            # Nothing fills the previous space. SHED says what is so: no embedding, and none was asked for.
            answer.settle(missed, KeyStatus.SHED)
            return
        ask = self._fills.ask_of(call, self._clock())
        for key, status in self._fills.ask(missed, ask, outdated).items():
            answer.settle([key], status)

    def _wait(self, served: ServedSpace, answer: Answer, pending: Iterable[bytes], call: Call, budget: float) -> None:
        answer.waited = True
        texts = {key: key.decode() for key in pending}
        with self._waits.turn(call, budget) as waiting:
            while waiting and texts and waiting.pause():
                try:
                    rows, _ = self._read(served, texts, call, keep=True)
                except UnavailableError:
                    # The keys stay enqueued or pending, which is still so.
                    continue
                answer.settle_rows(rows)
                texts = {key: text for key, text in texts.items() if key not in rows}

    def _read(
        self, served: ServedSpace, texts: Mapping[bytes, str], call: Call, *, keep: bool
    ) -> tuple[dict[bytes, Value], dict[bytes, str]]:
        """Return what the store has to serve, and the keys whose rows are of another form than the space's."""
        epoch = served.hot.epoch
        found = self._store.lookup(served.id, list(texts.values()), call.remaining())
        nbytes = served.form.nbytes
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

    def _outdate(self, served: ServedSpace, unservable: Mapping[bytes, str], call: Call) -> dict[bytes, Micros]:
        """Return the times before which the rows of these keys do not count."""
        rows = self._store.read(served.id, list(unservable.values()), call.remaining())
        # With this time in its fill, KFC does not take the row for a good one but writes over it.
        return {key: rows[text].written_at + 1 for key, text in unservable.items() if text in rows}

    def _report(self, served: ServedSpace, unservable: Sequence[str]) -> None:
        self._metrics.unservable_rows.inc(len(unservable))
        self._log.warning(
            "a row is not served, as its vector has not %d bytes: %s",
            served.form.nbytes,
            unservable[0],
            extra={"key": unservable[0], "space": served.id, "rows": len(unservable)},
        )


def parse_keys(answer: Answer, keys: Iterable[bytes]) -> dict[bytes, str]:
    """Return the texts of those keys that are acceptable, and settle the others as INVALID with their cause."""
    texts = {}
    for key in keys:
        try:
            texts[key] = parse_key(key)
        except CauseError as error:
            answer.settle([key], KeyStatus.INVALID, error.cause)
    return texts
