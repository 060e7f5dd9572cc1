"""Conversions between values and messages."""

from typing import Final

from embark.causes import Cause, CauseKind
from embark.space import VectorForm
from embark.spec import DType
from embark.v1 import types_pb2

_KIND_TO_WIRE: Final = {kind: types_pb2.CauseKind.Value(f"CAUSE_KIND_{kind.name}") for kind in CauseKind}
_KIND_FROM_WIRE: Final = {number: kind for kind, number in _KIND_TO_WIRE.items()}
_DTYPE_TO_WIRE: Final = {dtype: types_pb2.DType.Value(f"D_TYPE_{dtype.name}") for dtype in DType}
_DTYPE_FROM_WIRE: Final = {number: dtype for dtype, number in _DTYPE_TO_WIRE.items()}


def cause_to_wire(cause: Cause) -> types_pb2.Cause:
    """Return the message of a cause."""
    return types_pb2.Cause(kind=_KIND_TO_WIRE[cause.kind], detail=cause.detail)


def cause_from_wire(message: types_pb2.Cause) -> Cause:
    """Return the cause in a message; an unknown kind becomes ENCODER_FAILED, which is retried."""
    return Cause(_KIND_FROM_WIRE.get(message.kind, CauseKind.ENCODER_FAILED), message.detail)


def dtype_to_wire(dtype: DType) -> types_pb2.DType.ValueType:
    """Return the message's enum value of a dtype."""
    return _DTYPE_TO_WIRE[dtype]


def form_from_wire(dimension: int, dtype: types_pb2.DType.ValueType) -> VectorForm:
    """Return the form of the vectors in a response.

    Raises:
        ValueError: a dtype that this version does not know.
    """
    if dtype not in _DTYPE_FROM_WIRE:
        raise ValueError(f"dtype {dtype} of the reply is not known to this version")
    return VectorForm(dimension, _DTYPE_FROM_WIRE[dtype])
