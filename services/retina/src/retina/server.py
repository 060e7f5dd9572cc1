"""Composes Retina's server and drains it; `__main__` and the local mode run it."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry

from embark.hosts import url_host
from embark.rpc.certificates import server_credentials
from embark.rpc.channels import server_options
from embark.rpc.memory import keep_freed_memory
from embark.rpc.probes import Probes
from embark.settings import Listen, RetinaSettings
from embark.v1 import retina_pb2, retina_pb2_grpc
from retina.batcher import Batcher
from retina.call_encoder import CallEncoder
from retina.cores import available_cores
from retina.dialling import Connect
from retina.errors import RefusedError
from retina.fetch import Fetcher
from retina.load import load_encoder
from retina.metrics import Metrics
from retina.servicer import RetinaServicer

SERVICE: Final = retina_pb2.DESCRIPTOR.services_by_name["RetinaService"].full_name
_SERVING: Final = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING: Final = health_pb2.HealthCheckResponse.NOT_SERVING
_TELL_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Running:
    """A Retina that serves."""

    port: int
    probes_port: int


@asynccontextmanager
async def serve(
    settings: RetinaSettings,
    *,
    models: Path,
    registry: CollectorRegistry,
    connect: Connect | None = None,
    cores: int | None = None,
) -> AsyncIterator[Running]:
    """Serve Encode, gRPC health and reflection, and the probes, until the block is left; then drain.

    `models` is the folder of models by digest, `connect` makes the sockets of downloads, `cores` is how many runners
    there are (by default, as many as this process has cores).

    Raises:
        RefusedError: the model or a port is not what the cache says, or cannot be had.
        CertificateError: a file of `tls.folder` cannot be used.
    """
    encoder = await asyncio.to_thread(load_encoder, settings, models)
    keep_freed_memory()
    metrics = Metrics(registry)
    runners = available_cores() if cores is None else cores
    state = _State()
    async with AsyncExitStack() as stack:
        probes = _open_probes(settings.listen, registry, state)
        stack.callback(probes.close)
        fetcher = Fetcher(settings.fetch, metrics, connect)
        stack.push_async_callback(fetcher.close)
        batcher = Batcher(
            encoder,
            settings.space,
            runners=runners,
            max_delay=settings.batch.max_delay,
            metrics=metrics,
            clock=time.monotonic,
        )
        stack.push_async_callback(asyncio.to_thread, batcher.close)
        calls = CallEncoder(settings.space.modality, fetcher, batcher)
        servicer = RetinaServicer(settings.cache, settings.space, calls, metrics)
        port = await stack.enter_async_context(_listen(settings, servicer, state))
        yield Running(port, probes.port)


class _State:
    """Why Retina is not ready; empty while it is."""

    def __init__(self) -> None:
        self.reason = "starting"

    def readiness(self) -> str:
        return self.reason


def _open_probes(listen: Listen, registry: CollectorRegistry, state: _State) -> Probes:
    try:
        return Probes(listen.host, listen.probes_port, registry, state.readiness)
    except OSError as error:
        raise RefusedError(f"cannot listen for probes on {listen.host}:{listen.probes_port}: {error}") from error


@asynccontextmanager
async def _listen(settings: RetinaSettings, servicer: RetinaServicer, state: _State) -> AsyncIterator[int]:
    """Serve gRPC until the block is left; yield the port."""
    server = grpc.aio.server(options=_options(settings.max_request_bytes))
    checks = health.aio.HealthServicer()
    retina_pb2_grpc.add_RetinaServiceServicer_to_server(servicer, server)
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    reflection.enable_server_reflection([SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
    port = _bind(server, settings)
    await server.start()
    await _report(checks, _SERVING)
    state.reason = ""
    log = logging.getLogger(__name__)
    where = {"cache": settings.cache, "space": settings.space.id}
    log.info("serving on port %d", port, extra=where)
    try:
        yield port
    finally:
        # First clients are told to go elsewhere, then no new calls are taken and those in flight may end.
        state.reason = "draining"
        log.info("draining", extra=where)
        # A watcher that does not read its answers must not hold the drain up.
        with suppress(TimeoutError):
            await asyncio.wait_for(_report(checks, _NOT_SERVING), _TELL_SECONDS)
        await server.stop(settings.listen.drain.total_seconds())


async def _report(checks: health.aio.HealthServicer, status: int) -> None:
    """Report the whole server, and the service by its name, as clients of either ask."""
    for name in (health.OVERALL_HEALTH, SERVICE):
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
        raise RefusedError(f"cannot listen for gRPC on {host}:{listen.grpc_port}: {error}") from error


def _options(max_request_bytes: int) -> list[tuple[str, str | int]]:
    receive = "grpc.max_receive_message_length"
    return [*(option for option in server_options() if option[0] != receive), (receive, max_request_bytes)]
