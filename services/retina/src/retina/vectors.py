"""Converts the model's rows into vectors of the space."""

import numpy as np

from embark.causes import Cause, CauseKind
from embark.space import Space
from embark.spec import Normalization
from retina.model_encoder import Floats


def to_vector(row: Floats, space: Space) -> bytes | Cause:
    """Return one row, normalized, in the space's binary form; or ENCODER_FAILED if an element is not finite in it.

    Each row is computed separately, so its bits do not depend on the rows that ran with it. A zero vector stays zero
    under l2.
    """
    if not np.isfinite(row).all():
        return Cause(CauseKind.ENCODER_FAILED, "the model produced elements that are not finite")
    values = row.astype(np.float64)  # the squares of float32 may be too large for float32
    if space.normalization is Normalization.L2:
        length = np.sqrt(np.sum(values * values))
        values = values / length if length > 0 else values
    with np.errstate(over="ignore"):
        vector = values.astype(space.form.numpy)
    if not np.isfinite(vector).all():
        detail = f"the model produced elements that are too large for {space.dtype.value}"
        return Cause(CauseKind.ENCODER_FAILED, detail)
    return vector.tobytes()
