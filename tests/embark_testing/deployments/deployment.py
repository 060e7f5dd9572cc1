"""A cache of its own on shared servers, and its services as processes."""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from embark.settings import CacheSettings, Listen, settings_for
from embark_testing.caches import sample
from embark_testing.deployments.processes import Service, service
from embark_testing.servers.cassandra_server import CassandraServer
from embark_testing.servers.free_ports import free_ports
from embark_testing.servers.kafka_brokers import KafkaBrokers
from embark_testing.servers.kafka_server import KafkaServer

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

    def changed(self, **fields: Mapping[str, object]) -> "Deployment":
        """Return a copy with changed fields in the settings of `embark`, `kfc` or `retina`."""
        parts = self.settings._asdict()
        changed = {name: parts[name].model_copy(update=dict(update)) for name, update in fields.items()}
        return replace(self, settings=self.settings._replace(**changed))

    @contextmanager
    def embark(self, program: str | Path = "embark_server", *arguments: str) -> Iterator[Service]:
        with service(program, self.settings.embark, self.folder, *arguments) as running:
            yield running

    def apart(self, count: int) -> "list[Deployment]":
        """Return `count` copies, each with an EmbArk on ports of its own."""
        return [self.changed(embark={"listen": listen}) for listen in _listens(count)]

    @contextmanager
    def kfc(self, program: str | Path = "kfc", *arguments: str) -> Iterator[Service]:
        # Several may run at once, each with probes of its own.
        settings = self.settings.kfc.model_copy(update={"listen": _listens(1)[0]})
        with service(program, settings, self.folder, *arguments) as running:
            yield running

    @contextmanager
    def retina(self) -> Iterator[Service]:
        with service("retina", self.settings.retina, self.folder, "--models", str(self.models)) as running:
            running.await_ready()
            yield running


def deployment_on(
    cassandra: CassandraServer, kafka: KafkaServer | KafkaBrokers, folder: Path, models: Path, **changes: dict[str, Any]
) -> Deployment:
    """Return a deployment with a keyspace and topics of its own; `changes` are of the spec's other sections."""
    name = f"t{uuid.uuid4().hex[:12]}"
    cache = sample(
        "photos",
        store={"cassandra": {"contactPoints": [cassandra.host], "port": cassandra.port, "keyspace": name}},
        topic={"kafka": {"bootstrapServers": kafka.bootstrap.split(","), "name": f"{name}.fills", "partitions": 3}},
        # The machine that runs the tests runs the servers too: 50 ms are for machines of their own.
        embark={"readTimeout": "1s"},
        **changes,
    )
    settings = settings_for(cache)
    embark, kfc, retina = _listens(3)
    return Deployment(
        CacheSettings(
            settings.embark.model_copy(update={"listen": embark}),
            settings.kfc.model_copy(
                # A separate group too: dead members of an earlier test may not be detected yet.
                update={"listen": kfc, "retina": f"127.0.0.1:{retina.grpc_port}", "consumer_group": name}
            ),
            settings.retina.model_copy(update={"listen": retina}),
        ),
        folder,
        models,
    )


def _listens(count: int) -> list[Listen]:
    ports = iter(free_ports("127.0.0.1", 2 * count))
    return [Listen(host="127.0.0.1", grpc_port=next(ports), probes_port=next(ports)) for _ in range(count)]
