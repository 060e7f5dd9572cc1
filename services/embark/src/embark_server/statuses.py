"""The statuses of keys as small integers, one byte each; every part of the look-up server speaks in them."""

from enum import IntEnum

from embark.v1 import types_pb2


class KeyStatus(IntEnum):
    """What the row of a key is; the numbers and their meaning are those of types.proto.

    A list of statuses is kept as bytes: every number is below 128, so the bytes are also protobuf's packed form.
    """

    HIT = types_pb2.KEY_STATUS_HIT
    OOV_ENQUEUED = types_pb2.KEY_STATUS_OOV_ENQUEUED
    OOV_PENDING = types_pb2.KEY_STATUS_OOV_PENDING
    NEGATIVE = types_pb2.KEY_STATUS_NEGATIVE
    SHED = types_pb2.KEY_STATUS_SHED
    UNAVAILABLE = types_pb2.KEY_STATUS_UNAVAILABLE
    INVALID = types_pb2.KEY_STATUS_INVALID
