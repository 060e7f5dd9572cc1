"""A RetinaServer on free ports, and a client of it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc.aio
from prometheus_client import CollectorRegistry

from embark.rpc.channels import open_aio_channel
from embark.service_names import RETINA_SERVICE
from embark.settings import RetinaSettings
from embark.v1 import retina_pb2, retina_pb2_grpc
from retina.dialling import Connect
from retina.server import RetinaServer

SECONDS = 30
"""The deadline of a call, far longer than any call takes unless something is broken."""


@dataclass
class Client:
    """Calls one Retina."""

    settings: RetinaSettings
    server: RetinaServer
    channel: grpc.aio.Channel
    stub: "retina_pb2_grpc.RetinaServiceAsyncStub"
    registry: CollectorRegistry

    def count(self, outcome: str) -> float:
        """Return how many items were answered with `outcome`."""
        return self.registry.get_sample_value("embark_retina_encodes_total", {"outcome": outcome}) or 0.0

    def request(self, items: Sequence[retina_pb2.EncodeItem]) -> retina_pb2.EncodeRequest:
        """Return the request for `items` in the server's space."""
        return retina_pb2.EncodeRequest(space=self.settings.space.id, items=items)

    async def encode(self, *items: retina_pb2.EncodeItem) -> list[retina_pb2.EncodeResult]:
        """Return the results of one call."""
        reply = await self.stub.Encode(self.request(items), timeout=SECONDS)
        assert reply.space == self.settings.space.id
        assert len(reply.results) == len(items)
        return list(reply.results)


@asynccontextmanager
async def open_retina(
    settings: RetinaSettings, models: Path, connect: Connect | None = None, cores: int = 2
) -> AsyncIterator[Client]:
    """Serve until the block is left."""
    registry = CollectorRegistry()
    async with (
        started(RetinaServer(settings, models=models, registry=registry, connect=connect, cores=cores)) as server,
        open_aio_channel(f"127.0.0.1:{server.port}", RETINA_SERVICE) as channel,
    ):
        yield Client(settings, server, channel, retina_pb2_grpc.RetinaServiceStub(channel), registry)


@asynccontextmanager
async def started(server: RetinaServer) -> AsyncIterator[RetinaServer]:
    """Start `server`, and stop it when the block is left."""
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def by_key(key: str | bytes) -> retina_pb2.EncodeItem:
    """Return an item that is a key."""
    return retina_pb2.EncodeItem(key=key.encode() if isinstance(key, str) else key)


def by_content(content: bytes) -> retina_pb2.EncodeItem:
    """Return an item that is the bytes of a file."""
    return retina_pb2.EncodeItem(content=content)


def by_tensor(tensor: bytes) -> retina_pb2.EncodeItem:
    """Return an item that is a model input."""
    return retina_pb2.EncodeItem(tensor=tensor)
