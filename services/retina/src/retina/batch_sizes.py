"""Finds the batch sizes in which a loaded model may run.

A vector must not depend on the batch it was encoded in. Whether it does is a property of the model (dynamic
quantization takes its scale from the whole batch) and of the runtime's kernels (which sum in another order for another
number of rows). So sizes are tried when the model is loaded, and only those that keep every row's bits are used.
"""

import logging
from collections.abc import Callable
from typing import Final

import numpy as np

from retina.model_encoder import Floats

_MAX_SIZE: Final = 64
"""Larger batches gain too little to be worth trying at every start."""
_DISTINCT_ROWS: Final = 4
"""Rows that differ; a larger batch repeats them."""
_REPEATS: Final = 3
_GAIN: Final = 0.97
"""A larger batch must take less than this share of the time per row."""

Run = Callable[[Floats], Floats]
"""Runs the model on [n, …] and returns [n, dimension]."""


def usable_sizes(
    run: Run, shape: tuple[int, ...], limit: int, clock: Callable[[], float], log: logging.Logger
) -> tuple[int, ...]:
    """Return the powers of two, from 1 to `limit`, that keep the bits of every row and do not slow it down.

    A row must have the same bits as in a batch of one. On one core a large batch is often slower per row than a batch
    of one, which fits into the caches, so no size exceeds the fastest.
    """
    rows = _random_rows(shape)
    expected = [run(rows[index : index + 1])[0].tobytes() for index in range(_DISTINCT_ROWS)]
    seconds = {1: _seconds(run, rows[:1], clock)}
    dependent = []
    size = 2
    while size <= min(limit, _MAX_SIZE):
        batch = np.resize(rows, (size, *shape))
        if all(row.tobytes() == expected[index % _DISTINCT_ROWS] for index, row in enumerate(run(batch))):
            seconds[size] = _seconds(run, batch, clock)
        else:
            dependent.append(size)
        size *= 2
    if dependent:
        log.warning(
            "the model's rows have other bits in a batch than in a batch of one; these sizes are not used",
            extra={"sizes": dependent},
        )
    return _up_to_the_fastest(seconds)


def _up_to_the_fastest(seconds: dict[int, float]) -> tuple[int, ...]:
    best = 1
    for size, taken in seconds.items():
        if taken / size < _GAIN * seconds[best] / best:
            best = size
    return tuple(size for size in seconds if size <= best)


def _random_rows(shape: tuple[int, ...]) -> Floats:
    """Return rows of very different magnitude, which no scale taken from the whole batch fits equally well."""
    random = np.random.default_rng(0)  # a fixed seed: every start must try the same rows
    scales = np.array([1.0, 0.01, 3.0, 0.2], dtype=np.float32).reshape(_DISTINCT_ROWS, *(1 for _ in shape))
    return random.standard_normal((_DISTINCT_ROWS, *shape), dtype=np.float32) * scales


def _seconds(run: Run, batch: Floats, clock: Callable[[], float]) -> float:
    best = float("inf")
    for _ in range(_REPEATS):
        started = clock()
        run(batch)
        best = min(best, clock() - started)
    return best
