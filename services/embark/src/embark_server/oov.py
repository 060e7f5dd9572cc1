"""The OOV embedding of a space: zeros, a given vector, or the mean of the space, renewed in the background."""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Final

import numpy as np
import numpy.typing as npt

from embark.errors import UnavailableError
from embark.settings import EmbArkSettings
from embark.space import Space
from embark.spec import Normalization
from embark.store import Embedding, Row

# The standard error of a mean of n rows is 1/sqrt(n) of their standard deviation: below 2 percent for 4,096 rows.
MEAN_ROWS: Final = 4096
RENEW_EVERY: Final = timedelta(minutes=5)
# A new cache has no rows yet, but gets its first ones soon.
RETRY_EVERY: Final = timedelta(seconds=15)


class OovEmbedding:
    """The row for keys without an embedding; `row` is replaced as a whole, so reading it is thread-safe."""

    __slots__ = ("row",)

    def __init__(self, row: bytes) -> None:
        self.row = row


def initial_oov(settings: EmbArkSettings, space: Space) -> bytes:
    """Return the OOV embedding at the start: the given vector if it has the space's dimension, otherwise zeros."""
    vector = settings.oov_vector
    if vector is None or len(vector) != space.dimension:
        return space.form.zeros()
    return np.asarray(vector).astype(space.form.numpy).tobytes()


def compute_mean(space: Space, pages: Iterable[Sequence[Row]], limit: int = MEAN_ROWS) -> bytes | None:
    """Return the mean of the first `limit` embeddings that have the space's form; None if there are none.

    In a space of unit vectors (normalization l2) the mean is scaled to unit length, so that every served row has it. A
    mean of length zero stays zero.
    """
    form = space.form
    total: npt.NDArray[np.float64] = np.zeros(form.dimension)
    count = 0
    for page in pages:
        vectors = [row.vector for row in page if isinstance(row, Embedding) and len(row.vector) == form.nbytes]
        for vector in vectors[: limit - count]:
            total += np.frombuffer(vector, form.numpy)
        count += len(vectors[: limit - count])
        if count >= limit:
            break
    if not count or not np.isfinite(total).all():
        return None
    mean = total / count
    length = float(np.linalg.norm(mean))
    if space.normalization is Normalization.L2 and length > 0:
        mean /= length
    return mean.astype(form.numpy).tobytes()


class MeanRenewal:
    """Renews OOV embeddings on its own thread from start() to stop().

    Each function of `renewals` renews one embedding and returns whether the space had rows to renew it from.
    """

    def __init__(self, renewals: Sequence[Callable[[], bool]]) -> None:
        self._renewals = renewals
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="oov-mean", daemon=True)
        self._log = logging.getLogger(__name__)

    def start(self) -> None:
        """Start the thread, which renews immediately."""
        self._thread.start()

    def stop(self) -> None:
        """Stop without waiting for a renewal in progress."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            renewed = True
            for renew in self._renewals:
                try:
                    renewed &= renew()
                except UnavailableError as error:
                    renewed = False
                    self._log.warning("the mean of the space was not renewed; retrying: %s", error)
            self._stopped.wait((RENEW_EVERY if renewed else RETRY_EVERY).total_seconds())
