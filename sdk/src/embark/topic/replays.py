"""Dead letters read back, and their records asked for anew; the command `embark dead-letters` calls it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from google.protobuf.message import DecodeError

from embark.causes import Cause, CauseKind
from embark.clock import micros
from embark.errors import UnavailableError
from embark.rpc.wire import cause_of_wire
from embark.topic import Fill, FillProducer, Record
from embark.v1 import fills_pb2

# How long the topic may take to acknowledge what is replayed.
PATIENCE: Final = timedelta(seconds=30)
_EPOCH: Final = datetime.fromtimestamp(0, UTC)


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
            return cls(place, cause, 0, _EPOCH, record.key, record.value, "")
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
        return self.request is not None

    @property
    def request(self) -> Fill | None:
        """The request to make again; None: its record cannot be read.

        What was written before it failed does not answer it: or the negative of a key that was unreachable would.
        """
        try:
            fill = Fill.from_bytes(self.value)
        except ValueError:
            return None
        failed = micros(self.failed_at - _EPOCH)
        return replace(fill, not_before=max(fill.not_before, failed + 1))


def replay(letters: Sequence[DeadLetter], producer: FillProducer, wait: Callable[[], None]) -> int:
    """Ask for what `letters` asked for again; return how many, once all are acknowledged.

    `wait` is called between two looks at what is pending. Letters stay where they are: a topic has no delete.

    Raises:
        UnavailableError: the topic takes no more, or does not acknowledge; the message says how far it came.
    """
    requests = [(letter.key, fill) for letter in letters if (fill := letter.request) is not None]
    for number, (key, fill) in enumerate(requests):
        if not producer.produce(key, fill.to_bytes(), {}):
            raise UnavailableError("topic", f"took {number} of {len(requests)} records and no more; try again")
    while producer.pending():
        wait()
    return len(requests)
