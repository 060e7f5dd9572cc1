"""Dead letters read back, and their records asked for anew; the command `embark dead-letters` calls it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from google.protobuf.message import DecodeError

from embark.causes import Cause, CauseKind
from embark.errors import UnavailableError
from embark.rpc.wire import cause_of_wire
from embark.topic import Fill, FillProducer, Record
from embark.v1 import fills_pb2

# How long the topic may take to acknowledge what is replayed.
PATIENCE: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter as people see it; `place` is `partition/offset` of the letter itself, and names it."""

    place: str
    cause: Cause
    attempts: int
    failed_at: datetime
    key: bytes
    value: bytes
    origin: str

    @classmethod
    def of(cls, record: Record) -> Self:
        """Read a record of the dead letters; one that is no DeadLetter is shown as UNREADABLE, with its bytes."""
        place = f"{record.partition}/{record.offset}"
        try:
            letter = fills_pb2.DeadLetter.FromString(record.value)
        except DecodeError as error:
            cause = Cause(CauseKind.UNREADABLE, f"not a DeadLetter: {error}")
            return cls(place, cause, 0, datetime.fromtimestamp(0, UTC), record.key, record.value, "")
        return cls(
            place,
            cause_of_wire(letter.cause),
            letter.attempts,
            letter.failed_at.ToDatetime(UTC),
            letter.record_key,
            letter.record_value,
            f"{letter.topic}/{letter.partition}/{letter.offset}",
        )

    @property
    def replayable(self) -> bool:
        """Whether its record can be read now; replaying another would only make a new dead letter."""
        try:
            Fill.from_bytes(self.value)
        except ValueError:
            return False
        return True


def replay(letters: Sequence[DeadLetter], producer: FillProducer, wait: Callable[[], None]) -> int:
    """Ask for the records of `letters` again, as they were; return how many, once all are acknowledged.

    `wait` is called between two looks at what is pending. Letters stay where they are: a topic has no delete.

    Raises:
        UnavailableError: the topic takes no more, or does not acknowledge; the message says how far it came.
    """
    replayable = [letter for letter in letters if letter.replayable]
    for number, letter in enumerate(replayable):
        if not producer.produce(letter.key, letter.value, {}):
            raise UnavailableError("topic", f"took {number} of {len(replayable)} records and no more; try again")
    while producer.pending():
        wait()
    return len(replayable)
