"""A Cassandra and a Kafka of this run, and the settings of a cache on them."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from embark.clock import now
from embark.settings import CacheSettings
from embark.store.cassandra.adapter import CassandraStore
from embark.topic.kafka.schema import ensure_topics
from embark_testing.caches import sample_settings
from embark_testing.servers.cassandra_server import CassandraServer, cassandra_server
from embark_testing.servers.kafka_server import KafkaServer, kafka_server

# A well-configured node for two cores that everything shares: threads and compactions for its cores, not the 32 and
# 128 threads of a dedicated machine; memtables outside of Java's heap; and a heap whose regions hold a block of rows.
# Otherwise pauses of its garbage collector, at times more than 100 ms, determine the p99 of lookups.
_THREADS: Final = ("native_transport_max_threads", "concurrent_reads", "concurrent_writes")
_OPTIONS: Final = {
    **dict.fromkeys(_THREADS, 4),
    "memtable_allocation_type": "offheap_objects",
    "concurrent_compactors": 1,
    "compaction_throughput": "16MiB/s",
}
_JVM: Final = ("-Xms2g", "-Xmx2g", "-XX:G1HeapRegionSize=16m", "-XX:+ParallelRefProcEnabled")


@dataclass(frozen=True)
class RealServers:
    """One node of each."""

    cassandra: CassandraServer
    kafka: KafkaServer

    def build_settings(self, name: str, **embark: Any) -> CacheSettings:
        """Create keyspace, table and topics of a cache of photographs; `embark` goes into its spec.embark."""
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
            # Servers, services and load share one machine here: 50 ms are meant for separate machines.
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
        cassandra = stack.enter_context(cassandra_server(folder / "cassandra", options=_OPTIONS, jvm=_JVM))
        yield RealServers(cassandra, kafka)
