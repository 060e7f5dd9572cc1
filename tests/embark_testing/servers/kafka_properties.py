"""The properties of a Kafka broker, single or one of several."""

from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_MAX_REPLICAS = 3


@dataclass(frozen=True, slots=True)
class Node:
    """The addresses of one broker for clients, for other brokers, and for other controllers."""

    number: int
    host: str
    port: int
    brokers_port: int
    controller_port: int

    @property
    def voter(self) -> str:
        """The node's entry in the controllers' quorum; the last part identifies its data folder."""
        folder = urlsafe_b64encode(f"broker {self.number:09}".encode()).decode().rstrip("=")
        return f"{self.number}@{self.host}:{self.controller_port}:{folder}"


def node_properties(data: Path, node: Node, cluster: Sequence[Node], protocol: str) -> dict[str, str]:
    """Return the properties of `node` with its data in `data`; clients speak `protocol` to it."""
    listeners = [f"CLIENTS://{node.host}:{node.port}", f"BROKERS://{node.host}:{node.brokers_port}"]
    return {
        "process.roles": "broker,controller",
        "node.id": str(node.number),
        "controller.quorum.bootstrap.servers": ",".join(f"{other.host}:{other.controller_port}" for other in cluster),
        "listeners": ",".join([*listeners, f"CONTROLLER://{node.host}:{node.controller_port}"]),
        "advertised.listeners": ",".join(listeners),
        "listener.security.protocol.map": f"CLIENTS:{protocol},BROKERS:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "BROKERS",
        "log.dirs": str(data),
        # Only ensure_topics creates topics, in tests as in a cluster.
        "auto.create.topics.enable": "false",
        **_replicas(len(cluster)),
        # Dead members are detected within seconds, so that tests of a rebalance are short.
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        "group.consumer.min.session.timeout.ms": "1000",
        "group.consumer.session.timeout.ms": "6000",
        "group.consumer.min.heartbeat.interval.ms": "500",
        "group.consumer.heartbeat.interval.ms": "1000",
        # A killed broker may rejoin once its old session has expired.
        "broker.session.timeout.ms": "2000",
        "broker.heartbeat.interval.ms": "500",
        # Small, for a machine that also runs the tests.
        "num.network.threads": "2",
        "num.io.threads": "2",
        "log.cleaner.dedupe.buffer.size": "4194304",
    }


def _replicas(brokers: int) -> dict[str, str]:
    """Return the replicas of Kafka's internal topics, so that one of three brokers may be lost."""
    replicas = str(min(brokers, _MAX_REPLICAS))
    in_sync = "2" if brokers >= _MAX_REPLICAS else "1"
    return {
        "offsets.topic.replication.factor": replicas,
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": in_sync,
    }
