"""Several real Kafka brokers of one cluster, each on a loopback address of its own, for tests that lose one."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka.admin import AdminClient

from embark_testing.servers.kafka_properties import Node
from embark_testing.servers.kafka_server import KafkaServer, node_on, prepare_broker

_SECONDS = 10.0
# Small, and compiled quickly instead of well: these brokers are short-lived.
_JVM = ("-Xms128m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


@dataclass(frozen=True)
class KafkaBrokers:
    """The brokers of one cluster; each can be killed and started again. Clients connect to `bootstrap`."""

    brokers: Sequence[KafkaServer]

    @property
    def bootstrap(self) -> str:
        """The addresses of all of them."""
        return ",".join(broker.bootstrap for broker in self.brokers)

    def leader(self, topic: str, partition: int = 0) -> KafkaServer:
        """Return the broker that leads a partition."""
        found = AdminClient({"bootstrap.servers": self.bootstrap}).list_topics(topic, timeout=_SECONDS)
        number = found.topics[topic].partitions[partition].leader
        return next(broker for broker in self.brokers if broker.number == number)


@contextmanager
def kafka_brokers(folder: Path, count: int = 3) -> Iterator[KafkaBrokers]:
    """Run `count` brokers on 127.0.0.1, 127.0.0.2 and so on, which are also the controllers of their cluster.

    Raises:
        MissingToolsError: Java or Maven is not installed.
        ServerFailedError: one did not start.
    """
    nodes = [node_on(f"127.0.0.{number}", number) for number in range(1, count + 1)]

    def prepare(node: Node) -> KafkaServer:
        own = folder / f"kafka-{node.number}"
        own.mkdir()
        return prepare_broker(own, node, nodes, jvm=_JVM)

    with ThreadPoolExecutor(count) as threads:
        brokers = list(threads.map(prepare, nodes))
        try:
            # At the same time: a single one would wait for a quorum.
            list(threads.map(KafkaServer.start, brokers))
            yield KafkaBrokers(brokers)
        finally:
            # The last ones would wait for a quorum before they stop, and their data is not kept.
            list(threads.map(KafkaServer.kill, brokers))
