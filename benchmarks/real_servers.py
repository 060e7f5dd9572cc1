"""A Cassandra and a Kafka of this run, and the settings of a cache on them; benchmarks that need them ask here."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caches import sample_settings
from cassandra_server import CassandraServer, cassandra_server
from kafka_server import KafkaServer, kafka_server

from embark.clock import now
from embark.settings import CacheSettings
from embark.store.cassandra import CassandraStore
from embark.topic.kafka_schema import ensure_topics


@dataclass(frozen=True)
class RealServers:
    """One node of each."""

    cassandra: CassandraServer
    kafka: KafkaServer

    def settings_of(self, name: str, **embark: Any) -> CacheSettings:
        """Make keyspace, table and topics of a cache of photographs; `embark` goes into its spec.embark."""
        settings = sample_settings(
            "photos",
            store={
                "cassandra": {
                    "contactPoints": [self.cassandra.host],
                    "port": self.cassandra.port,
                    "keyspace": name,
                }
            },
            topic={"kafka": {"bootstrapServers": [self.kafka.bootstrap], "name": f"{name}.fills"}},
            # Servers, services and load share one machine here: 50 ms are for machines of their own.
            embark={"readTimeout": "5s", **embark},
        )
        with closing(CassandraStore(settings.kfc.store, now)) as store:
            store.ensure_space(settings.kfc.space.id)
        ensure_topics(settings.kfc.topic)
        return settings


@contextmanager
def real_servers() -> Iterator[RealServers]:
    """Run both until the block ends.

    Raises:
        MissingToolsError: Java or Maven is not installed.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="embark-bench-")))
        for name in ("cassandra", "kafka"):
            (folder / name).mkdir()
        kafka = stack.enter_context(kafka_server(folder / "kafka"))
        yield RealServers(stack.enter_context(cassandra_server(folder / "cassandra")), kafka)
