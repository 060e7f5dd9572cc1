"""Put and Invalidate: changes of rows that a caller asks for; the servicer calls them."""

from collections.abc import Sequence

import numpy as np

from embark.causes import Cause, CauseKind
from embark.clock import Clock, Micros
from embark.errors import UnavailableError
from embark.statuses import KeyStatus
from embark.store import Embedding
from embark_server.answers import Answer
from embark_server.calls import Call
from embark_server.fills import Fills
from embark_server.guarded_store import GuardedStore
from embark_server.lookup import parse_keys
from embark_server.refusals import InvalidRequestError
from embark_server.spaces import ServedSpace, ServedSpaces


class Changes:
    """Changes rows of the spaces served here; `ttl` is of new rows in microseconds, 0: for ever."""

    def __init__(self, store: GuardedStore, fills: Fills, spaces: ServedSpaces, clock: Clock, ttl: Micros) -> None:
        self._store = store
        self._fills = fills
        self._spaces = spaces
        self._clock = clock
        self._ttl = ttl

    def put(self, served: ServedSpace, keys: Sequence[bytes], vectors: bytes) -> Answer:
        """Write the vectors, one of the space's form for every key; of a key given twice the last one counts.

        A vector that is not finite is INVALID with cause ENCODER_FAILED, as Retina says of one.

        Raises:
            InvalidRequestError: `vectors` is not as long as the keys ask for.
        """
        rows = _split(vectors, len(keys), served)
        answer = Answer(keys, [None] * len(keys), served.oov)
        now = self._clock()
        expires_at = now + self._ttl if self._ttl else None
        last = dict(zip(keys, rows, strict=True))
        embeddings = {}
        for key, text in parse_keys(answer, answer.cold()).items():
            fault = _find_fault(last[key], served)
            if fault is not None:
                answer.settle([key], KeyStatus.INVALID, fault)
            else:
                embeddings[key] = Embedding(text, last[key], now, expires_at=expires_at)
        if not embeddings:
            return answer
        written = True
        try:
            self._store.write(served.id, list(embeddings.values()))
        except UnavailableError:
            written = False
        # Dropped in any case: a write that was not acknowledged may have been done.
        epoch = served.hot.drop_many(list(embeddings))
        if written:
            hot = {key: (row.vector, expires_at) for key, row in embeddings.items()}
            served.hot.put_many(hot, self._clock(), epoch)
        answer.settle(embeddings, KeyStatus.HIT if written else KeyStatus.UNAVAILABLE)
        return answer

    def invalidate(self, keys: Sequence[bytes], call: Call) -> Answer:
        """Delete the keys' rows in every space served here, forget them in memory, then ask for new ones.

        The order matters: a fill that was asked for before its row is gone could be skipped as already done. The rows
        of the previous space go too, or a rollback would bring them back. Nothing is asked for unless all are deleted.
        """
        answer = Answer(keys, [None] * len(keys), self._spaces.active.oov)
        texts = parse_keys(answer, answer.cold())
        if not texts:
            return answer
        valid = list(texts)
        at = self._clock()
        try:
            for served in self._spaces:
                self._store.delete(served.id, list(texts.values()), at)
                served.hot.drop_many(valid)
        except UnavailableError:
            answer.settle(valid, KeyStatus.UNAVAILABLE)
            return answer
        for key, status in self._fills.ask_anew(valid, self._fills.ask_of(call, at), at).items():
            answer.settle([key], status)
        return answer


def _split(vectors: bytes, count: int, served: ServedSpace) -> list[bytes]:
    nbytes = served.form.nbytes
    if len(vectors) != count * nbytes:
        raise InvalidRequestError(
            f"vectors has {len(vectors)} bytes; {count} keys of {served.form.dimension} {served.form.dtype} elements "
            f"have {count * nbytes}"
        )
    return [vectors[start : start + nbytes] for start in range(0, len(vectors), nbytes)]


def _find_fault(vector: bytes, served: ServedSpace) -> Cause | None:
    finite = np.isfinite(np.frombuffer(vector, served.form.numpy))
    if finite.all():
        return None
    return Cause(CauseKind.ENCODER_FAILED, f"the vector is not finite at element {int(np.argmin(finite))}")
