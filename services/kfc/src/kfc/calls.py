"""The calls of Retina and of the store that every fill makes, of a key asked for and of one re-embedded."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from embark.causes import Cause
from embark.clock import Clock, Micros
from embark.store import EmbeddingWriter, Row
from kfc.encoder import EncodedVector, EncoderClient
from kfc.metrics import KfcMetrics
from kfc.outages import Outages, Server

Timer = Callable[[], float]
"""Returns seconds of a clock that never goes back, such as time.monotonic."""


class Calls:
    """Thread-safe; every call waits out outages and raises StoppedError when KFC stops meanwhile."""

    def __init__(
        self,
        space: str,
        store: EmbeddingWriter,
        encoder: EncoderClient,
        *,
        outages: Outages,
        metrics: KfcMetrics,
        clock: Clock,
        timer: Timer = time.monotonic,
    ) -> None:
        self._space: Final = space
        self._store: Final = store
        self._encoder: Final = encoder
        self._outages: Final = outages
        self._metrics: Final = metrics
        self._clock: Final = clock
        self._timer: Final = timer

    def encode(
        self, keys: Sequence[str], traceparent: str | None = None
    ) -> tuple[Micros, Sequence[EncodedVector | Cause]]:
        """Encode the keys in one call; return when the call that was answered began, and a vector or cause a key."""
        return self._outages.retry_until_up(Server.RETINA, lambda: self._encode(keys, traceparent))

    def write(self, rows: Sequence[Row]) -> None:
        """Write rows, if there are any, until the store acknowledges them."""
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
