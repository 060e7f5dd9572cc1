"""KFC: consumes fill requests, encodes their keys and writes the rows; composition roots start and stop it."""

import logging
import random
import threading
import time
from typing import Final

from prometheus_client import CollectorRegistry

from embark.clock import Clock
from embark.retries import Jitter
from embark.rpc.probes import Probes
from embark.settings import KfcSettings
from embark.store import EmbeddingStore
from embark.topic import DeadLetters, FillConsumer
from kfc.backoff import key_backoff, outage_backoff
from kfc.calls import Timer
from kfc.encoder import EncoderClient
from kfc.fill.dead_letters import DeadLetterWriter
from kfc.fill.filler import Failed, Filled, Filler
from kfc.fill.in_flight import InFlightKeys
from kfc.fill.intake import Intake
from kfc.fill.polling import Polling
from kfc.fill.threads import Threads, join_all
from kfc.metrics import KfcMetrics
from kfc.outages import Outages

# Enough to fill every Encode call four times over, and for a thousand keys to wait for their next attempt.
MIN_OUTSTANDING: Final = 1_000


class KfcService:
    """One member of the consumer group of a space.

    The consumer is taken over: one thread alone uses it, and closes it. Up to `max_inflight` threads fill groups of
    keys, one keeps dead letters. The store, the dead letters and the encoder stay the caller's to close, after stop().
    """

    def __init__(
        self,
        settings: KfcSettings,
        store: EmbeddingStore,
        consumer: FillConsumer,
        dead_letters: DeadLetters,
        encoder: EncoderClient,
        *,
        clock: Clock,
        registry: CollectorRegistry,
        timer: Timer = time.monotonic,
        jitter: Jitter = random.random,
    ) -> None:
        self._settings: Final = settings
        self._registry: Final = registry
        self._timer: Final = timer
        self._log: Final = logging.getLogger(__name__)
        self._stopping: Final = threading.Event()
        metrics = KfcMetrics(registry)
        self._outages: Final = Outages(outage_backoff(settings.retry, jitter), self._stopping, metrics)
        flights = InFlightKeys(settings.retry.max_attempts, key_backoff(settings.retry, jitter))
        limit = max(MIN_OUTSTANDING, 4 * settings.max_inflight * settings.encode_items)
        self._intake: Final = Intake(flights, limit, metrics=metrics, space=settings.space.id, timer=timer)
        self._filler: Final = Filler(
            settings, store, encoder, outages=self._outages, metrics=metrics, clock=clock, timer=timer
        )
        self._rejecter: Final = DeadLetterWriter(
            settings, dead_letters, self._filler, outages=self._outages, metrics=metrics, clock=clock
        )
        self._polling: Final = Polling(
            consumer, self._intake, outages=self._outages, metrics=metrics, stopping=self._stopping, timer=timer
        )
        self._threads: Final = Threads(self._stopping, self._wind_down)
        self._workers: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._consuming: threading.Thread | None = None
        self._probes: Probes | None = None
        self._stopped = False

    def start(self) -> None:
        """Start the probes and the threads; once.

        Raises:
            OSError: the probes' port is taken.
        """
        listen = self._settings.listen
        self._probes = Probes(listen.host, listen.probes_port, self._registry, self._readiness)
        for number in range(self._settings.max_inflight):
            self._workers.append(self._threads.start(f"kfc-fill-{number}", self._fill))
        self._workers.append(self._threads.start("kfc-dead-letters", self._keep_rejects))
        self._consuming = self._threads.start("kfc-consumer", self._consume)
        self._log.info("KFC of %s fills space %s", self._settings.cache, self._settings.space.id, extra=self._extra())

    def stop(self) -> None:
        """Finish the groups under way within the drain time, commit what is finished and leave the group.

        What is not finished stays uncommitted, for the next consumer. Calling it twice is harmless.
        """
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
            self._wind_down()
            if self._consuming is None:
                self._polling.finish()
            else:
                self._consuming.join()
            if self._probes is not None:
                self._probes.close()

    @property
    def probes_port(self) -> int:
        """The port of the probes; KFC must have been started."""
        if self._probes is None:
            raise RuntimeError("the probes listen once KFC is started")
        return self._probes.port

    @property
    def failure(self) -> Exception | None:
        """The fault of the program that stopped KFC, if one did; a process ends with it."""
        return self._threads.failure

    def _consume(self) -> None:
        self._threads.guard(self._polling.run)
        if not join_all(self._workers, self._settings.listen.drain.total_seconds(), self._timer):
            self._log.warning("fills under way are abandoned; they will be consumed again", extra=self._extra())
        self._polling.finish()

    def _fill(self) -> None:
        while tasks := self._intake.take(self._settings.encode_items):
            skipped, rest = self._filler.skip(tasks)
            self._intake.complete(skipped)
            if rest:
                results = self._filler.encode(rest)
                self._intake.complete([result for result in results if isinstance(result, Filled)])
                self._intake.fail([result for result in results if isinstance(result, Failed)])

    def _keep_rejects(self) -> None:
        while (reject := self._intake.take_reject()) is not None:
            self._rejecter.keep(reject)
            self._intake.kept(reject)

    def _wind_down(self) -> None:
        self._stopping.set()
        self._intake.stop()

    def _readiness(self) -> str:
        if self.failure is not None:
            return f"stopped by a fault: {self.failure!r}"
        return "stopping" if self._stopping.is_set() else self._outages.reasons()

    def _extra(self) -> dict[str, str]:
        return {"cache": self._settings.cache, "space": self._settings.space.id}
