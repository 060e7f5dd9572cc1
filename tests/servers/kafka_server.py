"""A real Kafka broker (KRaft, one process) on loopback, for the fixtures and for `make servers`."""

import os
import subprocess
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from free_ports import free_ports
from maven_jars import server_jars
from server_process import Server, ServerFailedError, listens

_JVM = ("-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.showDateTime=true")


class KafkaServer(Server):
    """A broker; clients ask `bootstrap` first."""

    def __init__(self, folder: Path, jars: Path, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self.bootstrap = f"{host}:{port}"
        super().__init__("kafka", _command(jars, "kafka.Kafka", "kafka.properties"), folder, self._lists_its_brokers)

    def _lists_its_brokers(self) -> bool:
        if not listens(self.host, self.port):
            return False
        client = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        try:
            return bool(client.list_topics(timeout=5).brokers)
        except KafkaException:
            return False


@contextmanager
def kafka_server(
    folder: Path, host: str = "127.0.0.1", properties: Mapping[str, str] | None = None
) -> Iterator[KafkaServer]:
    """Run a broker in `folder` on free ports of `host`; `properties` are added to its own or replace them.

    Raises:
        MissingToolsError: Java or Maven is not installed.
        ServerFailedError: it did not start.
    """
    jars = server_jars("kafka", os.environ)
    port, controller_port = free_ports(host, 2)
    settings = _properties(folder, host, port, controller_port) | dict(properties or {})
    (folder / "kafka.properties").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    _format(jars, folder)
    server = KafkaServer(folder, jars, host, port)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _command(jars: Path, main: str, *arguments: str) -> list[str]:
    return ["java", *_JVM, "-cp", f"{jars}/*", main, *arguments]


def _properties(folder: Path, host: str, port: int, controller_port: int) -> dict[str, str]:
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.bootstrap.servers": f"{host}:{controller_port}",
        "listeners": f"PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{host}:{port}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(folder / "data"),
        # Topics are made by ensure_topics alone, in tests as in a cluster.
        "auto.create.topics.enable": "false",
        # One broker holds every replica.
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # Members that die are missed within seconds, so that tests of a rebalance are short.
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        "group.consumer.min.session.timeout.ms": "1000",
        "group.consumer.session.timeout.ms": "6000",
        "group.consumer.min.heartbeat.interval.ms": "500",
        "group.consumer.heartbeat.interval.ms": "1000",
        # A broker that was killed is let in again once its old session is over.
        "broker.session.timeout.ms": "2000",
        "broker.heartbeat.interval.ms": "500",
        # Small, for a machine that also runs the tests.
        "num.network.threads": "2",
        "num.io.threads": "2",
        "log.cleaner.dedupe.buffer.size": "4194304",
    }


def _format(jars: Path, folder: Path) -> None:
    cluster_id = urlsafe_b64encode(b"one test cluster").decode().rstrip("=")
    arguments = ["format", "--standalone", "--cluster-id", cluster_id, "--config", "kafka.properties"]
    command = _command(jars, "kafka.tools.StorageTool", *arguments)
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise ServerFailedError(f"kafka could not format its folder:\n{ran.stdout}{ran.stderr}")
