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

# The standard error of a mean of n rows is 1/sqrt(n) of their spread: 4,096 rows bring it below 2 percent.
MEAN_ROWS: Final = 4096
RENEW_EVERY: Final = timedelta(minutes=5)
# A new cache has no rows; its first ones come soon.
RETRY_EVERY: Final = timedelta(seconds=15)


class OovEmbedding:
    """The row that keys without an embedding are answered with; `row` is replaced as a whole, so reading is safe."""

    __slots__ = ("row",)

    def __init__(self, row: bytes) -> None:
        self.row = row


def first_oov(settings: EmbArkSettings, space: Space) -> bytes:
    """Return the OOV embedding at start: the given vector where it is of this space's dimension, else zeros."""
    vector = settings.oov_vector
    if vector is None or len(vector) != space.dimension:
        return space.form.zeros()
    return np.asarray(vector).astype(space.form.numpy).tobytes()


def mean_embedding(space: Space, pages: Iterable[Sequence[Row]], limit: int = MEAN_ROWS) -> bytes | None:
    """Return the mean of the first `limit` embeddings, None without any; rows of another form do not count.

    In a space of unit vectors (normalization l2) the mean is scaled to unit length, so that every row that the space
    serves has the length it promises; a mean of length zero stays zero.
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
    """Renews OOV embeddings on a thread of its own from start() to stop()."""

    def __init__(self, renew: Sequence[Callable[[], bool]]) -> None:
        """Take functions that each renew one embedding and return whether there was something to renew it from."""
        self._renew = renew
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="oov-mean", daemon=True)
        self._log = logging.getLogger(__name__)

    def start(self) -> None:
        """Begin; the first renewal is at once."""
        self._thread.start()

    def stop(self) -> None:
        """End; a renewal under way goes on to its end, as nothing waits for it."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            renewed = True
            for renew in self._renew:
                try:
                    renewed &= renew()
                except UnavailableError as error:
                    renewed = False
                    self._log.warning("the mean of the space is not renewed: %s", error)
            self._stopped.wait((RENEW_EVERY if renewed else RETRY_EVERY).total_seconds())
