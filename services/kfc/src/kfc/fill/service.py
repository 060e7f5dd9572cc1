"""KFC: consumes fill requests, encodes their keys and writes the rows."""

import logging
import random
import threading
import time
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry

from embark.clock import Clock
from embark.retries import Jitter
from embark.rpc.probes import Probes
from embark.settings import KfcSettings
from embark.store import EmbeddingStore
from embark.topic import DeadLetters, FillConsumer
from kfc.backoff import key_backoff, outage_backoff
from kfc.encoder import EncoderClient
from kfc.fill.dead_letters import DeadLetterWriter
from kfc.fill.filler import Failed, Filled, Filler
from kfc.fill.in_flight import InFlightKeys
from kfc.fill.intake import Intake, IntakeLimits
from kfc.fill.polling import Polling
from kfc.fill.threads import Threads, join_all
from kfc.metrics import KfcMetrics
from kfc.outages import Outages
from kfc.runtime import KfcRuntime, Timer

# Records for each key that fits into the Encode calls of all threads, so that the next calls are full too.
_OUTSTANDING_FACTOR: Final = 4


@dataclass(frozen=True, slots=True)
class FillBackends:
    """The servers of a KFC. It closes the consumer, and its caller the others."""

    store: EmbeddingStore
    consumer: FillConsumer
    dead_letters: DeadLetters
    encoder: EncoderClient


@dataclass(frozen=True, slots=True)
class FillLimits:
    """Limits of a KFC."""

    min_outstanding: int = 1_000
    """Outstanding records that are always allowed: that many keys can wait for their next attempt."""


class KfcService:
    """One member of the consumer group of a space.

    It owns the consumer: only one thread uses it, and closes it. `max_inflight` threads fill groups of keys, one writes
    dead letters. The caller closes the store, the dead letters and the encoder after stop().
    """

    def __init__(
        self,
        settings: KfcSettings,
        backends: FillBackends,
        *,
        clock: Clock,
        registry: CollectorRegistry,
        timer: Timer = time.monotonic,
        jitter: Jitter = random.random,
        limits: FillLimits | None = None,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._log = logging.getLogger(__name__)
        self._stopping = threading.Event()
        metrics = KfcMetrics(registry)
        outages = Outages(outage_backoff(settings.retry, jitter), self._stopping, metrics)
        self._runtime = runtime = KfcRuntime(outages, metrics, clock, timer, jitter)
        in_flight = InFlightKeys(settings.retry.max_attempts, key_backoff(settings.retry, jitter))
        encoding = settings.max_inflight * settings.encode_items
        outstanding = max((limits or FillLimits()).min_outstanding, _OUTSTANDING_FACTOR * encoding)
        self._intake = Intake(
            in_flight, IntakeLimits(outstanding), metrics=metrics, space=settings.space.id, timer=timer
        )
        self._filler = Filler(settings, backends.store, backends.encoder, runtime)
        self._dead_letter_writer = DeadLetterWriter(settings, backends.dead_letters, self._filler, runtime)
        self._polling = Polling(backends.consumer, self._intake, runtime, self._stopping)
        self._threads = Threads(self._stopping, self._wind_down)
        self._workers: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._consuming: threading.Thread | None = None
        self._probes: Probes | None = None
        self._stopped = False

    def start(self) -> None:
        """Start the probes and the threads.

        Raises:
            OSError: the probes' port is in use.
        """
        listen = self._settings.listen
        self._probes = Probes(listen.host, listen.probes_port, self._registry, self._readiness)
        for number in range(self._settings.max_inflight):
            self._workers.append(self._threads.start(f"kfc-fill-{number}", self._fill))
        self._workers.append(self._threads.start("kfc-dead-letters", self._write_dead_letters))
        self._consuming = self._threads.start("kfc-consumer", self._consume)
        self._log.info("KFC of %s fills space %s", self._settings.cache, self._settings.space.id, extra=self._extra())

    def stop(self) -> None:
        """Finish the keys in progress within the drain time, commit finished records and leave the group.

        Unfinished records stay uncommitted, for the next consumer. Calling it again does nothing.
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
        """The port of the probes, once KFC is started."""
        if self._probes is None:
            raise RuntimeError("KFC is not started")
        return self._probes.port

    @property
    def failure(self) -> Exception | None:
        """The unexpected error that stopped KFC, if one did."""
        return self._threads.failure

    def _consume(self) -> None:
        self._threads.guard(self._polling.run)
        if not join_all(self._workers, self._settings.listen.drain.total_seconds(), self._runtime.timer):
            self._log.warning(
                "fills in progress are abandoned; their records will be consumed again", extra=self._extra()
            )
        self._polling.finish()

    def _fill(self) -> None:
        while tasks := self._intake.take(self._settings.encode_items):
            skipped, rest = self._filler.skip(tasks)
            self._intake.complete(skipped)
            if rest:
                results = self._filler.encode(rest)
                self._intake.complete([result for result in results if isinstance(result, Filled)])
                self._intake.fail([result for result in results if isinstance(result, Failed)])

    def _write_dead_letters(self) -> None:
        while (rejected := self._intake.take_rejected()) is not None:
            self._dead_letter_writer.write(rejected)
            self._intake.complete_rejected(rejected)

    def _wind_down(self) -> None:
        self._stopping.set()
        self._intake.stop()

    def _readiness(self) -> str:
        if self.failure is not None:
            return f"stopped by an unexpected error: {self.failure!r}"
        return "stopping" if self._stopping.is_set() else self._runtime.outages.reasons()

    def _extra(self) -> dict[str, str]:
        return {"cache": self._settings.cache, "space": self._settings.space.id}
