"""Dead letters: reading them, and replaying the records in them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Self

from google.protobuf.message import DecodeError

from embark.causes import Cause, CauseKind
from embark.clock import micros
from embark.errors import UnavailableError
from embark.rpc.wire import cause_from_wire
from embark.topic import Fill, FillProducer, Record
from embark.v1 import fills_pb2

_EPOCH: Final = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be filled, and why."""

    place: str
    """`partition/offset` of the letter, which identifies it."""
    cause: Cause
    attempts: int
    failed_at: datetime
    key: bytes
    """The key of the record."""
    value: bytes
    """The value of the record: an encoded FillRequest, unless it is unreadable."""
    origin: str
    """`topic/partition/offset` that the record was consumed from."""

    @classmethod
    def from_record(cls, record: Record) -> Self:
        """Read a record of the dead-letter topic; the cause of one that is not a DeadLetter is UNREADABLE."""
        place = f"{record.partition}/{record.offset}"
        try:
            letter = fills_pb2.DeadLetter.FromString(record.value)
        except DecodeError as error:
            cause = Cause(CauseKind.UNREADABLE, f"not a DeadLetter: {error}")
            return cls(place, cause, 0, _EPOCH, record.key, record.value, "")
        return cls(
            place,
            cause_from_wire(letter.cause),
            letter.attempts,
            letter.failed_at.ToDatetime(UTC),
            letter.record_key,
            letter.record_value,
            f"{letter.topic}/{letter.partition}/{letter.offset}",
        )

    @property
    def replayable(self) -> bool:
        """Whether the record can be read; replaying one that cannot would only create another dead letter."""
        return self.request is not None

    @property
    def request(self) -> Fill | None:
        """The fill to request again; None: the record cannot be read.

        Only a row written after the failure satisfies it, so that the negative of an unreachable key does not.
        """
        try:
            fill = Fill.from_bytes(self.value)
        except ValueError:
            return None
        failed = micros(self.failed_at - _EPOCH)
        return replace(fill, not_before=max(fill.not_before, failed + 1))


def replay(letters: Sequence[DeadLetter], producer: FillProducer, wait: Callable[[], None]) -> int:
    """Request the fills of `letters` again, and return how many were requested once all are acknowledged.

    `wait` is called between two checks of what is pending. The letters stay in their topic.

    Raises:
        UnavailableError: the topic does not accept or acknowledge the records.
    """
    requests = [(letter.key, fill) for letter in letters if (fill := letter.request) is not None]
    for number, (key, fill) in enumerate(requests):
        if not producer.produce(key, fill.to_bytes(), {}):
            raise UnavailableError("topic", f"accepted only {number} of {len(requests)} records; try again")
    while producer.pending():
        wait()
    return len(requests)
