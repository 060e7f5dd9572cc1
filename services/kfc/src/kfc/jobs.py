"""What the commands share that a Job runs to its end: options, the signals that stop them early, probes, outages."""

import random
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry

from embark.errors import EmbArkError
from embark.rpc.probes import Probes
from embark.settings import KfcSettings
from embark.signals import Stopping
from kfc.backoff import outage_backoff
from kfc.metrics import KfcMetrics
from kfc.outages import Outages, Server, StoppedError

T = TypeVar("T")

_WATCH_SECONDS: Final = 1.0


class UnfinishedError(EmbArkError):
    """A command was stopped before its work was done; it must not end as if it were."""


class Job:
    """Waits out outages for `work`, tells them on the probes' port, and stops once the process is asked to."""

    def __init__(self, settings: KfcSettings, stopping: Stopping, registry: CollectorRegistry) -> None:
        self._settings: Final = settings
        self._asked: Final = stopping
        self._registry: Final = registry
        self._stopping: Final = threading.Event()
        self.metrics: Final = KfcMetrics(registry)
        self.outages: Final = Outages(outage_backoff(settings.retry, random.random), self._stopping, self.metrics)

    def do(self, work: Callable[[], None]) -> None:
        """Do the work.

        Raises:
            UnfinishedError: the process was asked to stop before it was done.
            OSError: the probes' port is taken.
        """
        listen = self._settings.listen
        with closing(Probes(listen.host, listen.probes_port, self._registry, self._readiness)):
            if self._asked.is_set():
                self._stopping.set()
            threading.Thread(target=self._watch, name="kfc-stopping", daemon=True).start()
            try:
                work()
            except StoppedError:
                raise UnfinishedError("stopped before the work was done; run it again to go on") from None

    def retry_until_up(self, server: Server, call: Callable[[], T], /) -> T:
        """Return what `call` returns, waiting out outages; StoppedError instead of the next call once it stops."""
        self.outages.pause(0)
        return self.outages.retry_until_up(server, call)

    def _watch(self) -> None:
        while not self._asked.wait(_WATCH_SECONDS):
            pass
        self._stopping.set()

    def _readiness(self) -> str:
        return "stopping" if self._stopping.is_set() else self.outages.reasons()
