"""The frame of commands that run to completion in a Job: stop signals, probes and outages."""

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
    """A command was stopped before its work was done, and so must not exit with status 0."""


class Job:
    """Runs `work`, reports outages on the probes' port, and stops when `stopping` is set."""

    def __init__(self, settings: KfcSettings, stopping: Stopping, registry: CollectorRegistry) -> None:
        self._settings = settings
        self._stop_requested = stopping
        self._registry = registry
        self._stopping = threading.Event()
        self.metrics = KfcMetrics(registry)
        self.outages = Outages(outage_backoff(settings.retry, random.random), self._stopping, self.metrics)

    def do(self, work: Callable[[], None]) -> None:
        """Do the work.

        Raises:
            UnfinishedError: the process was stopped before it was done.
            OSError: the probes' port is in use.
        """
        listen = self._settings.listen
        with closing(Probes(listen.host, listen.probes_port, self._registry, self._readiness)):
            if self._stop_requested.is_set():
                self._stopping.set()
            threading.Thread(target=self._watch, name="kfc-stopping", daemon=True).start()
            try:
                work()
            except StoppedError:
                raise UnfinishedError("stopped before the work was done; run it again to continue") from None

    def retry_until_up(self, server: Server, call: Callable[[], T], /) -> T:
        """Return the result of `call`, waiting out outages.

        Raises:
            StoppedError: the job stops.
        """
        self.outages.pause(0)
        return self.outages.retry_until_up(server, call)

    def _watch(self) -> None:
        while not self._stop_requested.wait(_WATCH_SECONDS):
            pass
        self._stopping.set()

    def _readiness(self) -> str:
        return "stopping" if self._stopping.is_set() else self.outages.reasons()
