"""Statuses of keys: what a row of a response is."""

from collections.abc import Iterable
from enum import IntEnum

from embark.v1 import types_pb2


class KeyStatus(IntEnum):
    """What the row of a key is; the numbers are those of types.proto.

    Every number is below 128: the statuses of many keys are kept as bytes, which are also protobuf's packed form.
    """

    UNKNOWN = types_pb2.KEY_STATUS_UNSPECIFIED
    """A status that only a later version knows; the row holds the OOV embedding."""
    HIT = types_pb2.KEY_STATUS_HIT
    """The row is the key's embedding."""
    OOV_ENQUEUED = types_pb2.KEY_STATUS_OOV_ENQUEUED
    """No embedding yet; this call has requested its fill."""
    OOV_PENDING = types_pb2.KEY_STATUS_OOV_PENDING
    """No embedding yet; its fill was requested recently."""
    NEGATIVE = types_pb2.KEY_STATUS_NEGATIVE
    """The key cannot be encoded, for the cause given."""
    SHED = types_pb2.KEY_STATUS_SHED
    """No embedding yet, and no fill could be requested; retry later."""
    UNAVAILABLE = types_pb2.KEY_STATUS_UNAVAILABLE
    """The store did not answer in time: nothing is known about the key and no fill was requested."""
    INVALID = types_pb2.KEY_STATUS_INVALID
    """The key itself is not acceptable, for the cause given."""

    @classmethod
    def known(cls) -> tuple["KeyStatus", ...]:
        """Return every status but UNKNOWN, which a server never sends."""
        return tuple(status for status in cls if status is not cls.UNKNOWN)


_BY_NUMBER = {int(status): status for status in KeyStatus}


def statuses_from_wire(numbers: Iterable[int]) -> list[KeyStatus]:
    """Return the statuses with these numbers of the wire; UNKNOWN for those of a later version."""
    return [_BY_NUMBER.get(number, KeyStatus.UNKNOWN) for number in numbers]
