"""The calls to Retina and to the store that fills of requested keys and of re-embedded ones share."""

from collections.abc import Sequence

from embark.causes import Cause
from embark.clock import Micros
from embark.store import EmbeddingWriter, Row
from kfc.encoder import EncodedVector, EncoderClient
from kfc.outages import Server
from kfc.runtime import KfcRuntime


class FillCalls:
    """Calls that wait out outages, and raise StoppedError if KFC stops first; thread-safe."""

    def __init__(self, space: str, store: EmbeddingWriter, encoder: EncoderClient, runtime: KfcRuntime) -> None:
        self._space = space
        self._store = store
        self._encoder = encoder
        self._outages = runtime.outages
        self._metrics = runtime.metrics
        self._clock = runtime.clock
        self._timer = runtime.timer

    def encode(
        self, keys: Sequence[str], traceparent: str | None = None
    ) -> tuple[Micros, Sequence[EncodedVector | Cause]]:
        """Encode the keys in one call; return when the successful call began, and a vector or cause for each key."""
        return self._outages.retry_until_up(Server.RETINA, lambda: self._encode(keys, traceparent))

    def write(self, rows: Sequence[Row]) -> None:
        """Write the rows, if any, until the store acknowledges them."""
        if rows:
            self._outages.retry_until_up(Server.STORE, lambda: self._write(rows))

    def _encode(self, keys: Sequence[str], traceparent: str | None) -> tuple[Micros, Sequence[EncodedVector | Cause]]:
        began, start = self._clock(), self._timer()
        self._metrics.batch_items.observe(len(keys))
        with self._metrics.inflight.track_inprogress():
            outcomes = self._encoder.encode(keys, traceparent)
        self._metrics.encode_seconds.observe(self._timer() - start)
        self._metrics.count_encodes(outcomes)
        return began, outcomes

    def _write(self, rows: Sequence[Row]) -> None:
        start = self._timer()
        self._store.write(self._space, rows)
        self._metrics.write_seconds.observe(self._timer() - start)
