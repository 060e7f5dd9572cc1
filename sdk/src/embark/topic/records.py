"""The records of a topic, and the fill request that is their value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from embark.clock import Micros
from embark.v1 import fills_pb2


@dataclass(frozen=True, slots=True)
class Record:
    """One consumed record; `offset` grows with every record of the partition."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Losses:
    """How many fills a producer has lost; each counts once."""

    shed: int = 0
    """Not accepted: the queue was full."""
    refused: int = 0
    """Not accepted: the topic would never accept them, for example because they are too large."""
    dropped: int = 0
    """Accepted, but not acknowledged in time."""


@dataclass(frozen=True, slots=True)
class Fill:
    """A request to encode a key; a row written before `not_before` counts as missing."""

    key: bytes
    requested_at: Micros
    not_before: Micros = 0

    def to_bytes(self) -> bytes:
        """Return the FillRequest message."""
        message = fills_pb2.FillRequest(key=self.key, asked_at=timestamp(self.requested_at))
        if self.not_before:
            message.not_before.CopyFrom(timestamp(self.not_before))
        return message.SerializeToString()

    @classmethod
    def from_bytes(cls, value: bytes) -> Self:
        """Parse a FillRequest message.

        Raises:
            ValueError: it is malformed, or has no key.
        """
        try:
            message = fills_pb2.FillRequest.FromString(value)
        except DecodeError as error:
            raise ValueError(f"not a FillRequest: {error}") from None
        if not message.key:
            raise ValueError("the FillRequest has no key")
        not_before = message.not_before.ToMicroseconds() if message.HasField("not_before") else 0
        return cls(message.key, message.asked_at.ToMicroseconds(), not_before)


def timestamp(at: Micros) -> Timestamp:
    """Return the protobuf form of a time."""
    message = Timestamp()
    message.FromMicroseconds(at)
    return message
