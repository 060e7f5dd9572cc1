"""Dead letters: records that could not be filled, kept with their cause; written on a thread of their own."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from embark.causes import Cause, CauseKind
from embark.clock import Clock, Micros
from embark.rpc.wire import cause_to_wire
from embark.settings import KfcSettings
from embark.topic import DeadLetters, Record
from embark.topic.records import timestamp
from embark.v1 import fills_pb2
from kfc.fill.filler import Failed, Filler
from kfc.metrics import KfcMetrics
from kfc.outages import Outages, Server
from kfc.rows import negative_row


@dataclass(frozen=True, slots=True)
class RejectedRecords:
    """Records to be kept as dead letters for one cause.

    `attempts` counts the encodes; `used_up` is the last of them, and None for a record that could not be read.
    """

    records: Sequence[Record]
    cause: Cause
    attempts: int = 0
    used_up: Failed | None = None


def build_dead_letter(record: Record, cause: Cause, attempts: int, failed_at: Micros) -> bytes:
    """Return the DeadLetter message of a record as it was consumed."""
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
    """Keeps rejects, waiting out every outage (StoppedError when KFC stops meanwhile)."""

    def __init__(
        self,
        settings: KfcSettings,
        dead_letters: DeadLetters,
        filler: Filler,
        *,
        outages: Outages,
        metrics: KfcMetrics,
        clock: Clock,
    ) -> None:
        self._space: Final = settings.space.id
        self._negative_ttl: Final = settings.negative_ttl
        self._dead_letters: Final = dead_letters
        self._filler: Final = filler
        self._outages: Final = outages
        self._metrics: Final = metrics
        self._clock: Final = clock
        self._log: Final = logging.getLogger(__name__)

    def keep(self, reject: RejectedRecords) -> None:
        """Append the dead letters, then write the negative of an unreachable key.

        In this order: a negative alone would make the next consumer skip the record, and its dead letter were lost.
        """
        for record in reject.records:
            self._append(record, reject)
        used_up = reject.used_up
        if used_up is not None and used_up.cause.kind is CauseKind.UNREACHABLE:
            self._filler.write([negative_row(used_up.key, used_up.cause, used_up.at, self._negative_ttl)])

    def _append(self, record: Record, reject: RejectedRecords) -> None:
        letter = build_dead_letter(record, reject.cause, reject.attempts, self._clock())
        self._outages.retry_until_up(Server.DEAD_LETTERS, lambda: self._dead_letters.append(record.key, letter))
        self._metrics.count_dead_letter(reject.cause)
        self._log.warning(
            "dead letter: record %d of partition %d after %d attempts: %s",
            record.offset,
            record.partition,
            reject.attempts,
            reject.cause,
            extra={
                "key": reject.used_up.key if reject.used_up else record.key.decode(errors="backslashreplace")[:200],
                "space": self._space,
                "cause": str(reject.cause),
            },
        )
