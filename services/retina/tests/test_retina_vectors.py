"""The conversion of model rows into vectors."""

import numpy as np
import pytest

from embark.causes import Cause, CauseKind
from embark.space import Space
from embark.spec import DType, Normalization
from embark_testing.retina.models import settings
from retina.vectors import to_vector


def space(dtype: DType = DType.FLOAT32, normalization: Normalization = Normalization.NONE) -> Space:
    return settings("sha256:" + "0" * 64, dimension=2, dtype=dtype, normalization=normalization).space


def vector(row: list[float], target: Space) -> list[float]:
    converted = to_vector(np.array(row, dtype=np.float32), target)
    assert isinstance(converted, bytes), converted
    assert len(converted) == target.form.nbytes
    return [float(element) for element in np.frombuffer(converted, target.form.numpy)]


def test_without_normalization_a_row_keeps_its_bits() -> None:
    row = np.array([0.1, -1e-30], dtype="<f4")
    assert to_vector(row, space()) == row.tobytes()


def test_l2_scales_to_unit_length() -> None:
    assert vector([3.0, 4.0], space(normalization=Normalization.L2)) == pytest.approx([0.6, 0.8])


def test_l2_of_large_elements_does_not_overflow() -> None:
    assert vector([3e30, 4e30], space(normalization=Normalization.L2)) == pytest.approx([0.6, 0.8])


def test_l2_leaves_a_zero_vector_zero() -> None:
    assert vector([0.0, 0.0], space(normalization=Normalization.L2)) == [0.0, 0.0]


def test_float16_is_little_endian_and_half_as_long() -> None:
    assert to_vector(np.array([1.0, -2.0], dtype=np.float32), space(DType.FLOAT16)) == b"\x00\x3c\x00\xc0"


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("normalization", Normalization)
def test_a_row_that_is_not_finite_fails(bad: float, normalization: Normalization) -> None:
    cause = to_vector(np.array([1.0, bad], dtype=np.float32), space(normalization=normalization))
    assert isinstance(cause, Cause)
    assert cause.kind is CauseKind.ENCODER_FAILED


def test_a_row_that_exceeds_float16_fails_with_that_cause() -> None:
    cause = to_vector(np.array([1.0, 70_000.0], dtype=np.float32), space(DType.FLOAT16))
    assert cause == Cause(CauseKind.ENCODER_FAILED, "the model produced elements that are too large for float16")
