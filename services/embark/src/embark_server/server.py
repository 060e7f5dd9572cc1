"""EmbArkServer: the look-up server as one object; composition roots make it, start it and stop it."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import grpc
from prometheus_client import CollectorRegistry

from embark.clock import Clock, micros
from embark.counts import LookupTimes
from embark.errors import UnavailableError
from embark.hosts import url_host
from embark.rpc.certificates import server_credentials
from embark.rpc.channels import server_options
from embark.rpc.health import Health
from embark.rpc.memory import keep_freed_memory
from embark.rpc.probes import Probes
from embark.settings import EmbArkSettings
from embark.spec import Oov
from embark.topic import FillProducer
from embark_server.breaker import Breaker
from embark_server.changes import Changes
from embark_server.counts import Counts
from embark_server.fills import Fills
from embark_server.guarded_store import GuardedStore, ServedStore
from embark_server.handlers import SERVICE, add_handlers, open_pools
from embark_server.lookup import Lookups
from embark_server.metrics import Metrics
from embark_server.oov import MeanRenewal, mean_embedding
from embark_server.permits import Permits
from embark_server.quotas import Quotas
from embark_server.repeats import RepeatWindow
from embark_server.searches import Searches
from embark_server.servicer import Servicer
from embark_server.spaces import ServedSpace, ServedSpaces
from embark_server.waits import Waits

_PAGE: Final = 500
# How long clients that are told NOT_SERVING have to take it in; a message and a turn of their threads.
_LEAVING_SECONDS: Final = 0.25
# A key that no row has; reading it shows whether the store answers.
_PROBE_KEY: Final = "embark:readiness"


class EmbArkServer:
    """Answers look-ups from start() to stop(); store and producer stay open and are closed by whoever made them."""

    def __init__(
        self,
        settings: EmbArkSettings,
        store: ServedStore,
        producer: FillProducer,
        *,
        clock: Clock,
        registry: CollectorRegistry,
    ) -> None:
        self._settings = settings
        self._log = logging.getLogger(__name__)
        metrics = Metrics(registry)
        breaker = Breaker()
        self._spaces = ServedSpaces(settings)
        self._store = GuardedStore(store, breaker, settings.serving.read_timeout, clock, metrics)
        self._waits = Waits()
        fills = Fills(producer, RepeatWindow(micros(settings.repeat_window)), _quotas(settings, metrics))
        lookups = Lookups(self._store, fills, self._waits, clock, metrics)
        changes = Changes(self._store, fills, self._spaces, clock, micros(settings.store.ttl))
        searches = Searches(
            self._spaces, lookups, self._store, clock, metrics, on=settings.store.cassandra.vector_search
        )
        self._servicer = Servicer(
            spaces=self._spaces,
            lookups=lookups,
            changes=changes,
            searches=searches,
            store=self._store,
            clock=clock,
            metrics=metrics,
            max_keys=settings.serving.max_keys_per_request,
        )
        self._registry = registry
        self._health = Health([SERVICE])
        self._pools = open_pools()
        # The server asks nothing of its threads but submit, which every Executor has.
        self._server = grpc.server(self._pools.lookups, options=server_options())  # type: ignore[arg-type]
        permits = Permits(
            settings.tls.authorized_identities if settings.tls else (),
            lambda: metrics.refused.labels(grpc.StatusCode.PERMISSION_DENIED.name).inc(),
        )
        add_handlers(self._server, self._servicer, self._health, self._pools, permits)
        self._means = MeanRenewal([self._renewal(served) for served in self._spaces])
        self._lookup_times = metrics.answered.lookup_times
        self._counts = Counts(self._spaces, self._store, clock, self._lookup_times)
        self._probes: Probes | None = None
        self._port = 0
        self._answered = False
        self._stopping = threading.Lock()
        self._stopped = False
        _watch(metrics, self._spaces, breaker, self._waits, producer)

    @property
    def port(self) -> int:
        """The port of gRPC, once started."""
        return self._port

    @property
    def probes_port(self) -> int:
        """The port of the probes, of /metrics and of the counts, once started."""
        return self._probes.port if self._probes else 0

    def lookup_times(self) -> LookupTimes:
        """Return how long look-ups took so far."""
        return self._lookup_times()

    def start(self) -> None:
        """Listen and answer.

        Raises:
            OSError: one of the two ports is taken.
            CertificateError: a file of `tls.folder` cannot be used.
        """
        keep_freed_memory()
        listen = self._settings.listen
        host = url_host(listen.host)
        try:
            self._port = self._bind(f"{host}:{listen.grpc_port}")
        except RuntimeError as error:
            raise OSError(f"cannot listen on {host}:{listen.grpc_port}: {error}") from None
        self._probes = Probes(
            listen.host, listen.probes_port, self._registry, self._readiness, pages=self._counts.pages
        )
        if self._settings.oov is Oov.MEAN:
            self._means.start()
        self._server.start()
        self._health.serve()
        self._log.info("EmbArk answers", extra={"cache": self._settings.cache, "space": self._spaces.active.id})

    def stop(self) -> None:
        """Drain: say NOT_SERVING, take no more calls, and return when those in flight are answered.

        Calls that last longer than `listen.drain` are cancelled. Calling again, from any thread, is harmless.
        """
        with self._stopping:
            if self._stopped:
                return
            self._stopped = True
            self._means.stop()
            if self._health.drain():
                # gRPC cancels the calls that are on their way when it stops, instead of refusing them.
                time.sleep(_LEAVING_SECONDS)
            self._servicer.drain()
            self._waits.drain()
            grace = self._settings.listen.drain.total_seconds()
            ended = self._server.stop(grace)
            in_time = ended.wait(grace)
            ended.wait()
            self._pools.shutdown(wait=in_time)
            if self._probes:
                self._probes.close()
            self._log.info("EmbArk has stopped", extra={"cache": self._settings.cache})

    def _bind(self, address: str) -> int:
        tls = self._settings.tls
        if tls is None:
            return self._server.add_insecure_port(address)
        credentials = server_credentials(Path(tls.folder), client_certificates=tls.client_certificates)
        return self._server.add_secure_port(address, credentials)

    def switch(self, settings: EmbArkSettings) -> None:
        """Serve the spaces of `settings` from now on, on the same port; of nothing else in them account is taken.

        Connections and calls in flight stay: each is answered from the old space or from the new one as a whole.
        """
        self._spaces.replace(settings)
        self._means.stop()
        self._means = MeanRenewal([self._renewal(served) for served in self._spaces])
        if settings.oov is Oov.MEAN:
            self._means.start()

    def _readiness(self) -> str:
        # Once the store has answered, an outage of it makes no server unready: all would be, at the same time, and
        # hot rows and OOV embeddings are better answers than none.
        if self._stopped:
            return "draining"
        if not self._answered:
            try:
                self._store.lookup(self._spaces.active.id, [_PROBE_KEY], float("inf"))
            except UnavailableError as error:
                return f"the store has not answered yet: {error}"
            self._answered = True
        return ""

    def _renewal(self, served: ServedSpace) -> Callable[[], bool]:
        def renew() -> bool:
            mean = mean_embedding(served.space, self._store.scan(served.id, _PAGE))
            if mean is not None:
                served.oov.row = mean
            return mean is not None

        return renew


def _quotas(settings: EmbArkSettings, metrics: Metrics) -> Quotas:
    certified = settings.tls is not None and settings.tls.client_certificates
    if not settings.tenants:
        return Quotas((), lambda _tenant, _count: None, certified=certified)
    return Quotas(settings.tenants, metrics.count_shed(), certified=certified)


def _watch(metrics: Metrics, spaces: ServedSpaces, breaker: Breaker, waits: Waits, producer: FillProducer) -> None:
    metrics.watch("embark_hot_tier_bytes", "Bytes in the hot tier.", lambda: sum(s.hot.nbytes for s in spaces))
    metrics.watch("embark_hot_tier_rows", "Rows in the hot tier.", lambda: sum(len(s.hot) for s in spaces))
    metrics.watch("embark_store_breaker_open", "1 while the store is not asked.", lambda: float(breaker.open))
    metrics.watch("embark_waiting_calls", "Look-ups that wait for fills.", lambda: len(waits))
    metrics.watch_producer(producer)
