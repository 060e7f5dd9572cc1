"""A real Kafka broker (KRaft, also its own controller) on loopback, for the fixtures and for `make servers`."""

import os
import subprocess
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from embark_testing.servers.free_ports import free_ports
from embark_testing.servers.kafka_properties import Node, node_properties
from embark_testing.servers.maven_jars import server_jars
from embark_testing.servers.server_process import Server, ServerFailedError, listens

_JVM = ("-Xms128m", "-Xmx384m", "-XX:+UseSerialGC")


@dataclass(frozen=True, slots=True)
class Security:
    """How a broker authenticates clients: the protocol, its properties, and SCRAM users by name.

    `login` is what a client needs besides the address, in librdkafka's words.
    """

    protocol: str = "PLAINTEXT"
    properties: Mapping[str, str] = field(default_factory=dict)
    users: Mapping[str, str] = field(default_factory=dict)
    login: Mapping[str, str] = field(default_factory=dict)


class KafkaServer(Server):
    """The broker with number `number`; clients connect to `bootstrap`."""

    def __init__(self, folder: Path, jars: Path, node: Node, *, jvm: Sequence[str], login: Mapping[str, str]) -> None:
        self.number = node.number
        self.host = node.host
        self.port = node.port
        self.bootstrap = f"{node.host}:{node.port}"
        self._login = login
        command = _command(jars, jvm, "kafka.Kafka", "kafka.properties")
        super().__init__("kafka", command, folder, self._is_among_its_brokers)

    def _is_among_its_brokers(self) -> bool:
        if not listens(self.host, self.port):
            return False
        client = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0, **self._login})
        try:
            return self.number in client.list_topics(timeout=5).brokers
        except KafkaException:
            return False


@contextmanager
def kafka_server(
    folder: Path,
    host: str = "127.0.0.1",
    properties: Mapping[str, str] | None = None,
    security: Security | None = None,
) -> Iterator[KafkaServer]:
    """Run a broker in `folder` on free ports of `host`; `properties` are added to its own or replace them.

    Raises:
        MissingToolsError: Java or Maven is not installed.
        ServerFailedError: it did not start.
    """
    node = node_on(host)
    server = prepare_broker(folder, node, [node], properties=properties, security=security)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def node_on(host: str, number: int = 1) -> Node:
    """Return a node on free ports of `host`."""
    return Node(number, host, *free_ports(host, 3))


def prepare_broker(
    folder: Path,
    node: Node,
    cluster: Sequence[Node],
    *,
    properties: Mapping[str, str] | None = None,
    security: Security | None = None,
    jvm: Sequence[str] = _JVM,
) -> KafkaServer:
    """Write the files that the broker of `node` reads at its start, without starting it.

    Raises:
        MissingToolsError: Java or Maven is not installed.
        ServerFailedError: Kafka refuses the properties.
    """
    jars, security = server_jars("kafka", os.environ), security or Security()
    settings = node_properties(folder / "data", node, cluster, security.protocol)
    settings |= {**security.properties, **(properties or {})}
    (folder / "kafka.properties").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    _format(jars, folder, cluster, security.users)
    return KafkaServer(folder, jars, node, jvm=jvm, login=security.login)


def _command(jars: Path, jvm: Sequence[str], main: str, *arguments: str) -> list[str]:
    dated = "-Dorg.slf4j.simpleLogger.showDateTime=true"
    return ["java", *jvm, dated, "-cp", f"{jars}/*", main, *arguments]


def _format(jars: Path, folder: Path, cluster: Sequence[Node], users: Mapping[str, str]) -> None:
    cluster_id = urlsafe_b64encode(b"one test cluster").decode().rstrip("=")
    voters = ",".join(node.voter for node in cluster)
    arguments = ["format", "--cluster-id", cluster_id, "--config", "kafka.properties", "--initial-controllers", voters]
    for name, password in users.items():
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
            arguments += ["--add-scram", f"{mechanism}=[name={name},password={password}]"]
    command = _command(jars, ("-Xmx128m", "-XX:TieredStopAtLevel=1"), "kafka.tools.StorageTool", *arguments)
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise ServerFailedError(f"kafka could not format its folder:\n{ran.stdout}{ran.stderr}")
