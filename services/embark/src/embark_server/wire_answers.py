"""Statuses and causes as the fields of ordinary messages, for every reply but that of a look-up."""

from collections.abc import Mapping

from embark.causes import Cause
from embark.rpc.wire import cause_to_wire
from embark.v1 import types_pb2


def statuses_to_wire(statuses: bytes) -> list[types_pb2.KeyStatus.ValueType]:
    """Return the enum values of statuses, one byte each."""
    return [types_pb2.KeyStatus.ValueType(status) for status in statuses]


def causes_to_wire(causes: Mapping[int, Cause]) -> dict[int, types_pb2.Cause]:
    """Return the messages of causes by index."""
    return {index: cause_to_wire(cause) for index, cause in causes.items()}
