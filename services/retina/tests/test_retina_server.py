"""RetinaServer besides Encode: health, reflection, probes, and a drain that loses no call."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from prometheus_client import CollectorRegistry

from embark.rpc.channels import open_aio_channel
from embark.service_names import RETINA_SERVICE
from embark.v1 import retina_pb2, retina_pb2_grpc
from embark_testing.eventually import eventually_async
from embark_testing.retina.images import jpeg
from embark_testing.retina.models import install, mean_model, settings
from embark_testing.retina.origin import open_origin
from embark_testing.retina.service import SECONDS, by_content, by_key, open_retina, started
from retina.server import RetinaServer

pytestmark = pytest.mark.asyncio


async def test_health_and_reflection_list_the_service(tmp_path: Path) -> None:
    async with open_retina(settings(install(tmp_path, mean_model())), tmp_path) as client:
        health: Any = health_pb2_grpc.HealthStub(client.channel)
        for name in ("", RETINA_SERVICE):
            answer = await health.Check(health_pb2.HealthCheckRequest(service=name), timeout=SECONDS)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        listing = reflection_pb2.ServerReflectionRequest(list_services="")
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(client.channel)  # type: ignore[arg-type]
        replies = stub.ServerReflectionInfo(iter([listing]))
        names = [service.name async for reply in replies for service in reply.list_services_response.service]
    assert RETINA_SERVICE in names


def probe(port: int, path: str) -> tuple[int, str]:
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


async def test_the_metrics_count_outcomes(tmp_path: Path) -> None:
    async with open_origin() as origin, open_retina(settings(install(tmp_path, mean_model())), tmp_path) as client:
        await client.encode(by_content(jpeg()), by_key(origin.url("/none")), by_key("file:///etc/passwd"))
        metrics = (await asyncio.to_thread(probe, client.server.probes_port, "/metrics"))[1]
        ready = await asyncio.to_thread(probe, client.server.probes_port, "/readyz")
    assert ready == (200, "ok\n")
    for line in (
        'embark_retina_encodes_total{outcome="embedded"} 1.0',
        'embark_retina_encodes_total{outcome="not_found"} 1.0',
        'embark_retina_encodes_total{outcome="blocked"} 1.0',
        "embark_retina_fetch_seconds_count 0.0",
        "embark_retina_run_seconds_count 1.0",
        "embark_retina_batch_size_sum 1.0",
        "embark_retina_queue_length 0.0",
    ):
        assert line in metrics


async def test_draining_is_reported_first_and_loses_no_call(tmp_path: Path) -> None:
    loaded = settings(install(tmp_path, mean_model()))
    server = RetinaServer(loaded, models=tmp_path, registry=CollectorRegistry(), cores=1)
    async with open_origin() as origin, asyncio.timeout(SECONDS), started(server):
        origin.files["/a"] = jpeg()
        origin.gate = asyncio.Event()
        async with open_aio_channel(f"127.0.0.1:{server.port}", RETINA_SERVICE) as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)
            watch = health.Watch(health_pb2.HealthCheckRequest(service=RETINA_SERVICE))
            statuses = [(await watch.read()).status]
            request = retina_pb2.EncodeRequest(space=loaded.space.id, items=[by_key(origin.url("/a"))])
            call = retina_pb2_grpc.RetinaServiceStub(channel).Encode(request)

            async def requests() -> int:
                return origin.requested["/a"]

            await eventually_async(requests, what="the call is in flight")
            stopping = asyncio.create_task(server.stop())
            statuses.append((await watch.read()).status)
            ready = await asyncio.to_thread(probe, server.probes_port, "/readyz")
            watch.cancel()
            origin.gate.set()
            reply = await call
        await stopping
    assert statuses == [health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING]
    assert ready == (503, "draining\n")
    assert reply.results[0].vector
