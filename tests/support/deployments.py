"""A cache of its own on shared servers, and its services as processes."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from caches import sample
from cassandra_server import CassandraServer
from free_ports import free_ports
from kafka_server import KafkaServer
from service_processes import Service, service

from embark.settings import CacheSettings, Listen, settings_for

WAIT = 60.0


@dataclass(frozen=True)
class Deployment:
    """Settings of a cache of its own on the shared servers."""

    settings: CacheSettings
    folder: Path
    models: Path

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.settings.embark.listen.grpc_port}"

    @contextmanager
    def embark(self) -> Iterator[Service]:
        with service("embark_server", self.settings.embark, self.folder) as running:
            yield running

    @contextmanager
    def kfc(self) -> Iterator[Service]:
        # Several may run at once, each with probes of its own.
        listen = self.settings.kfc.listen.model_copy(update={"probes_port": free_ports("127.0.0.1", 1)[0]})
        settings = self.settings.kfc.model_copy(update={"listen": listen})
        with service("kfc", settings, self.folder) as running:
            yield running

    @contextmanager
    def retina(self) -> Iterator[Service]:
        with service("retina", self.settings.retina, self.folder, "--models", str(self.models)) as running:
            running.await_ready()
            yield running


def deployment_on(cassandra: CassandraServer, kafka: KafkaServer, folder: Path, models: Path) -> Deployment:
    """Return a deployment with a keyspace and topics of its own."""
    name = f"t{uuid.uuid4().hex[:12]}"
    cache = sample(
        "photos",
        store={"cassandra": {"contactPoints": [cassandra.host], "port": cassandra.port, "keyspace": name}},
        topic={"kafka": {"bootstrapServers": [kafka.bootstrap], "name": f"{name}.fills", "partitions": 3}},
        # The machine that runs the tests runs the servers too: 50 ms are for machines of their own.
        embark={"readTimeout": "1s"},
    )
    settings = settings_for(cache)
    ports = iter(free_ports("127.0.0.1", 6))
    embark, kfc, retina = (Listen(host="127.0.0.1", grpc_port=next(ports), probes_port=next(ports)) for _ in range(3))
    return Deployment(
        CacheSettings(
            settings.embark.model_copy(update={"listen": embark}),
            settings.kfc.model_copy(update={"listen": kfc, "retina": f"127.0.0.1:{retina.grpc_port}"}),
            settings.retina.model_copy(update={"listen": retina}),
        ),
        folder,
        models,
    )
