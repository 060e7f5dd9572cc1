"""EmbArkServer: the lookup server as one object."""

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
from embark.rpc.channels import BIND_FAILURE, server_options
from embark.rpc.grpc_internals import create_server
from embark.rpc.health import Health
from embark.rpc.memory import keep_freed_memory
from embark.rpc.probes import Probes
from embark.service_names import EMBARK_SERVICE
from embark.settings import EmbArkSettings
from embark.spec import Oov
from embark.topic import FillProducer
from embark_server.calls import Authorizer, TenantQuotas
from embark_server.changes import Changes
from embark_server.context import ServerContext
from embark_server.counts import Counts
from embark_server.fills import Fills, RepeatWindow
from embark_server.guarded_store import GuardedStore, ServedStore
from embark_server.handlers import Handlers, Pools
from embark_server.limits import DEFAULT_LIMITS, DEFAULT_TIMEOUTS, Limits, Timeouts
from embark_server.lookup import Lookups
from embark_server.metrics import EmbArkMetrics
from embark_server.oov import MeanRenewal, compute_mean
from embark_server.searches import Searches
from embark_server.servicer import Servicer
from embark_server.spaces import ServedSpace, ServedSpaces
from embark_server.waits import Waits

_PAGE_ROWS: Final = 500
# A key without a row; reading it shows whether the store is available.
_PROBE_KEY: Final = "embark:readiness"


class EmbArkServer:
    """Answers lookups from start() to stop(). The caller owns `store` and `producer` and closes them."""

    def __init__(
        self,
        settings: EmbArkSettings,
        store: ServedStore,
        producer: FillProducer,
        *,
        clock: Clock,
        registry: CollectorRegistry,
        limits: Limits = DEFAULT_LIMITS,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
    ) -> None:
        self._settings = settings
        self._log = logging.getLogger(__name__)
        metrics = EmbArkMetrics(registry)
        self._store = GuardedStore(store, settings.serving, clock, metrics, limits=limits, timeouts=timeouts)
        self._spaces = ServedSpaces(settings)
        self._timeouts = timeouts
        context = ServerContext(settings, self._spaces, self._store, clock, metrics, limits, timeouts)
        self._waits = Waits(limits.waiting_calls)
        fills = Fills(producer, RepeatWindow(micros(settings.repeat_window)), _build_quotas(settings, metrics))
        lookups = Lookups(context, fills, self._waits)
        self._servicer = Servicer(context, lookups, Changes(context, fills), Searches(context, lookups))
        self._registry = registry
        self._health = Health([EMBARK_SERVICE])
        self._pools = Pools.open(limits)
        self._server = create_server(self._pools.lookups, server_options())
        authorizer = Authorizer(
            settings.tls.authorized_identities if settings.tls else (),
            on_denied=lambda: metrics.refused.labels(grpc.StatusCode.PERMISSION_DENIED.name).inc(),
        )
        Handlers(self._servicer, self._health, self._pools, authorizer, limits.streams).add_to(self._server)
        self._means = MeanRenewal([self._build_renewal(served) for served in self._spaces])
        self._lookup_times = metrics.lookups.lookup_times
        self._counts = Counts(context)
        self._probes: Probes | None = None
        self._port = 0
        self._store_seen = False
        self._stopping = threading.Lock()
        self._stopped = False
        _watch(context, self._waits, producer)

    @property
    def port(self) -> int:
        """The gRPC port, once started."""
        return self._port

    @property
    def probes_port(self) -> int:
        """The port of probes, metrics and counts, once started."""
        return self._probes.port if self._probes else 0

    def lookup_times(self) -> LookupTimes:
        """Return the latencies of lookups so far."""
        return self._lookup_times()

    def start(self) -> None:
        """Listen and answer.

        Raises:
            OSError: one of the two ports is in use.
            CertificateError: a file of `tls.folder` cannot be used.
        """
        keep_freed_memory()
        listen = self._settings.listen
        host = url_host(listen.host)
        try:
            self._port = self._bind(f"{host}:{listen.grpc_port}")
        except RuntimeError:
            raise OSError(f"cannot listen on {host}:{listen.grpc_port}: {BIND_FAILURE}") from None
        self._probes = Probes(
            listen.host, listen.probes_port, self._registry, self._readiness, pages=self._counts.pages
        )
        if self._settings.oov is Oov.MEAN:
            self._means.start()
        self._server.start()
        self._health.serve()
        self._log.info("EmbArk is serving", extra={"cache": self._settings.cache, "space": self._spaces.active.id})

    def stop(self) -> None:
        """Drain: report NOT_SERVING, accept no further calls, and return once those in flight are answered.

        Calls that take longer than `listen.drain` are cancelled. Further calls of stop(), from any thread, do nothing.
        """
        with self._stopping:
            if self._stopped:
                return
            self._stopped = True
            self._means.stop()
            if self._health.drain():
                # On stop, gRPC cancels calls that are still in transit instead of refusing them.
                time.sleep(self._timeouts.notice.total_seconds())
            self._servicer.drain()
            self._waits.drain()
            grace = self._settings.listen.drain.total_seconds()
            terminated = self._server.stop(grace)
            in_time = terminated.wait(grace)
            terminated.wait()
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
        """Serve the spaces of `settings` on the same port; everything else in `settings` is ignored.

        Connections and calls in flight stay: each call is answered entirely from the old or from the new space.
        """
        self._spaces.replace(settings)
        self._means.stop()
        self._means = MeanRenewal([self._build_renewal(served) for served in self._spaces])
        if settings.oov is Oov.MEAN:
            self._means.start()

    def _readiness(self) -> str:
        # After the first answer of the store, its outages do not make a server unready: all servers would be at the
        # same time, and hot rows and OOV embeddings are better answers than none.
        if self._stopped:
            return "draining"
        if not self._store_seen:
            try:
                self._store.lookup(self._spaces.active.id, [_PROBE_KEY], float("inf"))
            except UnavailableError as error:
                return f"the store has not answered yet: {error}"
            self._store_seen = True
        return ""

    def _build_renewal(self, served: ServedSpace) -> Callable[[], bool]:
        def renew() -> bool:
            mean = compute_mean(served.space, self._store.scan(served.id, _PAGE_ROWS))
            if mean is not None:
                served.oov.row = mean
            return mean is not None

        return renew


def _build_quotas(settings: EmbArkSettings, metrics: EmbArkMetrics) -> TenantQuotas:
    certified = settings.tls is not None and settings.tls.client_certificates
    if not settings.tenants:
        return TenantQuotas((), lambda _tenant, _count: None, certified=certified)
    return TenantQuotas(settings.tenants, metrics.register_shed(), certified=certified)


def _watch(context: ServerContext, waits: Waits, producer: FillProducer) -> None:
    metrics, spaces, store = context.metrics, context.spaces, context.store
    metrics.watch("embark_hot_tier_bytes", "Bytes in the hot tier.", lambda: sum(s.hot.nbytes for s in spaces))
    metrics.watch("embark_hot_tier_rows", "Rows in the hot tier.", lambda: sum(len(s.hot) for s in spaces))
    metrics.watch(
        "embark_store_breaker_open",
        "1 while calls are rejected without reaching the store.",
        lambda: float(store.breaker_open),
    )
    metrics.watch("embark_waiting_calls", "Lookups that wait for fills.", lambda: len(waits))
    metrics.watch_producer(producer)
