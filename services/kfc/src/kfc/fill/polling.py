"""The loop of the thread that owns the consumer: it polls, pauses and commits, and never waits for store or Retina."""

import logging
import threading
from datetime import timedelta
from typing import Final

from embark.errors import UnavailableError
from embark.topic import FillConsumer
from kfc.fill.intake import Intake
from kfc.outages import Server
from kfc.runtime import KfcRuntime

MAX_RECORDS: Final = 500
# Longest time until an idle consumer commits finished records, and notices that KFC stops.
POLL_TIMEOUT: Final = timedelta(milliseconds=100)
# Measuring the lag calls the broker.
LAG_SECONDS: Final = 1.0


class Polling:
    """Polls at least every few seconds, also in outages: otherwise the group would reassign the partitions."""

    def __init__(
        self,
        consumer: FillConsumer,
        intake: Intake,
        runtime: KfcRuntime,
        stopping: threading.Event,
    ) -> None:
        self._consumer = consumer
        self._intake = intake
        self._outages = runtime.outages
        self._metrics = runtime.metrics
        self._stopping = stopping
        self._timer = runtime.timer
        self._log = logging.getLogger(__name__)
        self._paused = False
        self._lag_at = self._timer()

    def run(self) -> None:
        """Poll until KFC stops.

        Raises:
            StoppedError: KFC stopped during an outage of the topic.
        """
        failures = 0
        while not self._stopping.is_set():
            try:
                self._poll_once()
            except UnavailableError as error:
                failures += 1
                self._outages.wait(Server.TOPIC, error, failures)
            else:
                failures = 0
                self._outages.end(Server.TOPIC)

    def finish(self) -> None:
        """Commit finished records and leave the group; uncommitted ones are consumed again, and skipped."""
        try:
            self._commit()
        except UnavailableError as error:
            self._log.warning("the last commit failed (%s); its records will be consumed again", error)
        try:
            self._consumer.close()
        except UnavailableError as error:
            self._log.warning("leaving the group failed: %s", error)

    def _poll_once(self) -> None:
        room = self._intake.room()
        if self._paused:
            # An empty poll keeps the membership.
            self._intake.offer(self._consumer.poll(1, timedelta()))
            if self._intake.wait_for_room(POLL_TIMEOUT.total_seconds()):
                self._pause(paused=False)
        elif room:
            self._intake.offer(self._consumer.poll(min(room, MAX_RECORDS), POLL_TIMEOUT))
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
