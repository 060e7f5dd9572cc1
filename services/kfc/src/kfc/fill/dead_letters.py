"""Dead letters: records that could not be filled, with their causes."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from embark.causes import Cause, CauseKind
from embark.clock import Micros
from embark.rpc.wire import cause_to_wire
from embark.settings import KfcSettings
from embark.topic import DeadLetters, Record
from embark.topic.records import timestamp
from embark.v1 import fills_pb2
from kfc.fill.filler import Failed, Filler
from kfc.outages import Server
from kfc.rows import negative_row
from kfc.runtime import KfcRuntime


@dataclass(frozen=True, slots=True)
class RejectedRecords:
    """Records that become dead letters for one cause.

    `attempts` counts the encodes. `last_attempt` is None for a record that could not be parsed.
    """

    records: Sequence[Record]
    cause: Cause
    attempts: int = 0
    last_attempt: Failed | None = None


def build_dead_letter(record: Record, cause: Cause, attempts: int, failed_at: Micros) -> bytes:
    """Return the DeadLetter message of a consumed record."""
    return fills_pb2.DeadLetter(
        cause=cause_to_wire(cause),
        attempts=attempts,
        failed_at=timestamp(failed_at),
        record_key=record.key,
        record_value=record.value,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
    ).SerializeToString()


class DeadLetterWriter:
    """Writes dead letters, waiting out outages; raises StoppedError if KFC stops first."""

    def __init__(
        self,
        settings: KfcSettings,
        dead_letters: DeadLetters,
        filler: Filler,
        runtime: KfcRuntime,
    ) -> None:
        self._space = settings.space.id
        self._negative_ttl = settings.negative_ttl
        self._dead_letters = dead_letters
        self._filler = filler
        self._outages = runtime.outages
        self._metrics = runtime.metrics
        self._clock = runtime.clock
        self._log = logging.getLogger(__name__)

    def write(self, rejected: RejectedRecords) -> None:
        """Append the dead letters, then write the negative of an unreachable key.

        In this order: after a crash, a negative would make the next consumer skip the record, without a dead letter.
        """
        for record in rejected.records:
            self._append(record, rejected)
        last_attempt = rejected.last_attempt
        if last_attempt is not None and last_attempt.cause.kind is CauseKind.UNREACHABLE:
            self._filler.write(
                [negative_row(last_attempt.key, last_attempt.cause, last_attempt.at, self._negative_ttl)]
            )

    def _append(self, record: Record, rejected: RejectedRecords) -> None:
        letter = build_dead_letter(record, rejected.cause, rejected.attempts, self._clock())
        self._outages.retry_until_up(Server.DEAD_LETTERS, lambda: self._dead_letters.append(record.key, letter))
        self._metrics.count_dead_letter(rejected.cause)
        self._log.warning(
            "dead letter: record %d of partition %d after %d attempts: %s",
            record.offset,
            record.partition,
            rejected.attempts,
            rejected.cause,
            extra={
                "key": rejected.last_attempt.key
                if rejected.last_attempt
                else record.key.decode(errors="backslashreplace")[:200],
                "space": self._space,
                "cause": str(rejected.cause),
            },
        )
