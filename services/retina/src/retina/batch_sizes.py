"""Finds, when a model is loaded, how many rows one run may have; `images` calls it.

A vector must not depend on the batch it was encoded in. Whether it does is a property of the model (dynamic
quantization takes its scale from the whole batch) and of the runtime's kernels (which add in another order for another
number of rows), so it is tried, and only sizes that were tried are used.
"""

import logging
from collections.abc import Callable
from typing import Final

import numpy as np

from retina.model_encoder import Floats

_MOST: Final = 64
"""Beyond this, a larger run gains nothing that would be worth trying it at every start."""
_KINDS: Final = 4
"""Rows that differ; a larger batch repeats them."""
_REPEATS: Final = 3
_GAIN: Final = 0.97
"""A larger run must take less than this share of the time, for each row."""

Run = Callable[[Floats], Floats]
"""Runs the model on [n, …] and returns [n, dimension]."""


def usable_sizes(
    run: Run, shape: tuple[int, ...], most: int, clock: Callable[[], float], log: logging.Logger
) -> tuple[int, ...]:
    """Return the powers of two, up to `most`, that give every row the bits it has alone and are no slower for it.

    On one core a run of many rows is often slower for each than a run of one, which fits the caches; a run as large as
    the fastest is never exceeded. Sizes begin with 1.
    """
    rows = _rows(shape)
    alone = [run(rows[kind : kind + 1])[0].tobytes() for kind in range(_KINDS)]
    seconds = {1: _seconds(run, rows[:1], clock)}
    dependent = []
    size = 2
    while size <= min(most, _MOST):
        batch = np.resize(rows, (size, *shape))
        if all(row.tobytes() == alone[index % _KINDS] for index, row in enumerate(run(batch))):
            seconds[size] = _seconds(run, batch, clock)
        else:
            dependent.append(size)
        size *= 2
    if dependent:
        log.warning(
            "the model gives a row other bits in a batch than alone; those sizes are not used",
            extra={"sizes": dependent},
        )
    return _no_larger_than_the_fastest(seconds)


def _no_larger_than_the_fastest(seconds: dict[int, float]) -> tuple[int, ...]:
    best = 1
    for size, taken in seconds.items():
        if taken / size < _GAIN * seconds[best] / best:
            best = size
    return tuple(size for size in seconds if size <= best)


def _rows(shape: tuple[int, ...]) -> Floats:
    """Return rows of very different size, which a scale taken from the whole batch cannot fit alike."""
    random = np.random.default_rng(0)  # what is random here must be the same at every start
    scales = np.array([1.0, 0.01, 3.0, 0.2], dtype=np.float32).reshape(_KINDS, *(1 for _ in shape))
    return random.standard_normal((_KINDS, *shape), dtype=np.float32) * scales


def _seconds(run: Run, batch: Floats, clock: Callable[[], float]) -> float:
    best = float("inf")
    for _ in range(_REPEATS):
        started = clock()
        run(batch)
        best = min(best, clock() - started)
    return best
