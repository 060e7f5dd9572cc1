"""RetinaServer: Encode, gRPC health and reflection, and the probes, as one object."""

import asyncio
import logging
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Final

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry

from embark.hosts import url_host
from embark.rpc.certificates import server_credentials
from embark.rpc.channels import BIND_FAILURE, server_options
from embark.rpc.memory import keep_freed_memory
from embark.rpc.probes import Probes
from embark.service_names import RETINA_SERVICE
from embark.settings import RetinaSettings
from embark.v1 import retina_pb2_grpc
from retina.batcher import Batcher, available_cores
from retina.call_encoder import CallEncoder
from retina.dialling import Connect
from retina.errors import StartupError
from retina.fetch import Fetcher
from retina.load import load_encoder
from retina.metrics import RetinaMetrics
from retina.servicer import RetinaServicer

_SERVING: Final = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING: Final = health_pb2.HealthCheckResponse.NOT_SERVING
_NOTIFY_SECONDS: Final = 1.0


class RetinaServer:
    """Encodes for one space from start() to stop(), within one event loop."""

    def __init__(
        self,
        settings: RetinaSettings,
        *,
        models: Path,
        registry: CollectorRegistry,
        connect: Connect | None = None,
        cores: int | None = None,
    ) -> None:
        """Take what start() needs.

        `models` is the folder of models by digest, `connect` creates the sockets of downloads, and `cores` is the
        number of runners (default: the cores that this process may use).
        """
        self._settings = settings
        self._models = models
        self._registry = registry
        self._connect = connect
        self._runners = available_cores() if cores is None else cores
        self._resources = AsyncExitStack()
        self._unready = "starting"
        self._port = 0
        self._probes_port = 0
        self._log = logging.getLogger(__name__)

    @property
    def port(self) -> int:
        """The gRPC port; 0 before start()."""
        return self._port

    @property
    def probes_port(self) -> int:
        """The port of the probes and of /metrics; 0 before start()."""
        return self._probes_port

    async def start(self) -> None:
        """Load the model and serve; on an error everything that was opened is closed again.

        Raises:
            StartupError: the model cannot be obtained or does not match the cache, or a port cannot be bound.
            CertificateError: a file of `tls.folder` cannot be used.
        """
        encoder = await asyncio.to_thread(load_encoder, self._settings, self._models)
        keep_freed_memory()
        async with AsyncExitStack() as resources:
            metrics = RetinaMetrics(self._registry)
            self._probes_port = self._open_probes(resources)
            fetcher = Fetcher(self._settings.fetch, metrics, self._connect)
            resources.push_async_callback(fetcher.close)
            batcher = Batcher(
                encoder,
                self._settings.space,
                runners=self._runners,
                max_delay=self._settings.batch.max_delay,
                metrics=metrics,
                clock=time.monotonic,
            )
            resources.push_async_callback(asyncio.to_thread, batcher.close)
            calls = CallEncoder(self._settings.space.modality, fetcher, batcher)
            await self._listen(RetinaServicer(self._settings.cache, self._settings.space, calls, metrics), resources)
            self._resources = resources.pop_all()

    async def stop(self) -> None:
        """Drain: report NOT_SERVING, take no new calls, and return when those in flight are answered.

        Calls that take longer than `listen.drain` are cancelled. Calling it again has no effect.
        """
        await self._resources.aclose()

    def _open_probes(self, resources: AsyncExitStack) -> int:
        listen = self._settings.listen
        try:
            probes = Probes(listen.host, listen.probes_port, self._registry, lambda: self._unready)
        except OSError as error:
            raise StartupError(f"cannot listen for probes on {listen.host}:{listen.probes_port}: {error}") from error
        resources.callback(probes.close)
        return probes.port

    async def _listen(self, servicer: RetinaServicer, resources: AsyncExitStack) -> None:
        server = grpc.aio.server(options=_options(self._settings.max_request_bytes))
        checks = health.aio.HealthServicer()
        retina_pb2_grpc.add_RetinaServiceServicer_to_server(servicer, server)
        health_pb2_grpc.add_HealthServicer_to_server(checks, server)
        reflection.enable_server_reflection([RETINA_SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
        self._port = _bind(server, self._settings)
        await server.start()
        resources.push_async_callback(self._drain, server, checks)
        await _set_health(checks, _SERVING)
        self._unready = ""
        self._log.info("serving on port %d", self._port, extra=self._extra())

    async def _drain(self, server: grpc.aio.Server, checks: health.aio.HealthServicer) -> None:
        # Watchers hear of it first, so that they go elsewhere before new calls are refused.
        self._unready = "draining"
        self._log.info("draining", extra=self._extra())
        # A watcher that does not read its answers must not delay the drain.
        with suppress(TimeoutError):
            await asyncio.wait_for(_set_health(checks, _NOT_SERVING), _NOTIFY_SECONDS)
        await server.stop(self._settings.listen.drain.total_seconds())

    def _extra(self) -> dict[str, str]:
        return {"cache": self._settings.cache, "space": self._settings.space.id}


async def _set_health(checks: health.aio.HealthServicer, status: int) -> None:
    """Set the status of the whole server and of the service by name; clients ask for either."""
    for name in (health.OVERALL_HEALTH, RETINA_SERVICE):
        await checks.set(name, status)


def _bind(server: grpc.aio.Server, settings: RetinaSettings) -> int:
    listen, tls = settings.listen, settings.tls
    host = url_host(listen.host)
    try:
        if tls is None:
            return server.add_insecure_port(f"{host}:{listen.grpc_port}")
        credentials = server_credentials(Path(tls.folder), client_certificates=tls.client_certificates)
        return server.add_secure_port(f"{host}:{listen.grpc_port}", credentials)
    except RuntimeError as error:
        raise StartupError(f"cannot listen for gRPC on {host}:{listen.grpc_port}: {BIND_FAILURE}") from error


def _options(max_request_bytes: int) -> list[tuple[str, str | int]]:
    receive = "grpc.max_receive_message_length"
    return [*(option for option in server_options() if option[0] != receive), (receive, max_request_bytes)]
