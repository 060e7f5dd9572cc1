"""The thread that owns the consumer: polls, pauses, commits; nothing that waits for a store or Retina runs here."""

import logging
import threading
from datetime import timedelta
from typing import Final

from embark.errors import UnavailableError
from embark.topic import FillConsumer
from kfc.calls import Timer
from kfc.fill.intake import Intake
from kfc.metrics import KfcMetrics
from kfc.outages import Outages, Server

MAX_RECORDS: Final = 500
# How long an idle consumer takes at most to commit what was finished meanwhile, and to see that KFC stops.
POLL: Final = timedelta(milliseconds=100)
# Measuring the lag asks the broker.
LAG_SECONDS: Final = 1.0


class Polling:
    """Polls go on at least every few seconds, whatever is out of order: or the group would give the partitions away."""

    def __init__(
        self,
        consumer: FillConsumer,
        intake: Intake,
        *,
        outages: Outages,
        metrics: KfcMetrics,
        stopping: threading.Event,
        timer: Timer,
    ) -> None:
        self._consumer: Final = consumer
        self._intake: Final = intake
        self._outages: Final = outages
        self._metrics: Final = metrics
        self._stopping: Final = stopping
        self._timer: Final = timer
        self._log: Final = logging.getLogger(__name__)
        self._paused = False
        self._lag_at = timer()

    def run(self) -> None:
        """Go on until KFC stops (StoppedError, if that was during an outage of the topic)."""
        failures = 0
        while not self._stopping.is_set():
            try:
                self._turn()
            except UnavailableError as error:
                failures += 1
                self._outages.wait(Server.TOPIC, error, failures)
            else:
                failures = 0
                self._outages.over(Server.TOPIC)

    def finish(self) -> None:
        """Commit what is finished and leave the group; what cannot be committed is consumed again, and skipped."""
        try:
            self._commit()
        except UnavailableError as error:
            self._log.warning("the last commit failed (%s); its records will be consumed again", error)
        try:
            self._consumer.close()
        except UnavailableError as error:
            self._log.warning("leaving the group failed: %s", error)

    def _turn(self) -> None:
        room = self._intake.room()
        if self._paused:
            # An empty poll keeps the membership.
            self._intake.offer(self._consumer.poll(1, timedelta()))
            if self._intake.wait_for_room(POLL.total_seconds()):
                self._pause(paused=False)
        elif room:
            self._intake.offer(self._consumer.poll(min(room, MAX_RECORDS), POLL))
        else:
            self._pause(paused=True)
        self._commit()
        if self._timer() >= self._lag_at:
            self._lag_at = self._timer() + LAG_SECONDS
            self._metrics.lag.set(self._consumer.lag())

    def _pause(self, *, paused: bool) -> None:
        self._consumer.pause(paused)
        self._paused = paused

    def _commit(self) -> None:
        offsets = self._intake.committable()
        if offsets:
            self._consumer.commit(offsets)
            self._intake.committed(offsets)
