"""Put and Invalidate: changes of rows that callers request."""

from collections.abc import Sequence

import numpy as np

from embark.causes import Cause, CauseKind
from embark.clock import Micros, micros
from embark.errors import UnavailableError
from embark.statuses import KeyStatus
from embark.store import Embedding
from embark_server.answers import Answer
from embark_server.calls import CallContext
from embark_server.context import ServerContext
from embark_server.fills import Fills
from embark_server.lookup import parse_keys
from embark_server.refusals import InvalidArgumentError
from embark_server.spaces import ServedSpace


class Changes:
    """Changes rows of the served spaces."""

    def __init__(self, context: ServerContext, fills: Fills) -> None:
        self._store = context.store
        self._spaces = context.spaces
        self._clock = context.clock
        self._ttl: Micros = micros(context.settings.store.ttl)
        self._fills = fills

    def put(self, served: ServedSpace, keys: Sequence[bytes], vectors: bytes) -> Answer:
        """Write one vector of the space's form for every key; of equal keys the last one counts.

        A vector that is not finite is INVALID with cause ENCODER_FAILED, as in Retina.

        Raises:
            InvalidArgumentError: the length of `vectors` does not match the number of keys.
        """
        rows = _split(vectors, len(keys), served)
        answer = Answer(keys, [None] * len(keys), served.oov)
        now = self._clock()
        expires_at = now + self._ttl if self._ttl else None
        last = dict(zip(keys, rows, strict=True))
        embeddings = {}
        for key, text in parse_keys(answer, answer.cold_keys()).items():
            cause = _find_cause(last[key], served)
            if cause is not None:
                answer.settle([key], KeyStatus.INVALID, cause)
            else:
                embeddings[key] = Embedding(text, last[key], now, expires_at=expires_at)
        if not embeddings:
            return answer
        written = True
        try:
            self._store.write(served.id, list(embeddings.values()))
        except UnavailableError:
            written = False
        # Dropped in any case: a write without acknowledgement may have succeeded.
        epoch = served.hot.drop_many(list(embeddings))
        if written:
            hot = {key: (row.vector, expires_at) for key, row in embeddings.items()}
            served.hot.put_many(hot, self._clock(), epoch)
        answer.settle(embeddings, KeyStatus.HIT if written else KeyStatus.UNAVAILABLE)
        return answer

    def invalidate(self, keys: Sequence[bytes], call: CallContext) -> Answer:
        """Delete the keys' rows in every served space, drop them from the hot tiers, then request new fills.

        The order matters: a fill requested before its row is deleted could be skipped as already done. The rows of the
        previous space are deleted too, or a rollback would bring them back. No fill is requested unless every delete
        succeeded.
        """
        answer = Answer(keys, [None] * len(keys), self._spaces.active.oov)
        texts = parse_keys(answer, answer.cold_keys())
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
        for key, status in self._fills.request_again(valid, self._fills.options(call, at), at).items():
            answer.settle([key], status)
        return answer


def _split(vectors: bytes, count: int, served: ServedSpace) -> list[bytes]:
    nbytes = served.nbytes
    if len(vectors) != count * nbytes:
        raise InvalidArgumentError(
            f"vectors has {len(vectors)} bytes; {count} keys of {served.form.dimension} {served.form.dtype} elements "
            f"have {count * nbytes}"
        )
    return [vectors[start : start + nbytes] for start in range(0, len(vectors), nbytes)]


def _find_cause(vector: bytes, served: ServedSpace) -> Cause | None:
    finite = np.isfinite(np.frombuffer(vector, served.form.numpy))
    if finite.all():
        return None
    return Cause(CauseKind.ENCODER_FAILED, f"the vector is not finite at element {int(np.argmin(finite))}")
