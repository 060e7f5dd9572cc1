"""A real Cassandra node on loopback, for the fixtures and for `make servers`."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from cassandra import DriverException
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable
from cassandra.policies import WhiteListRoundRobinPolicy

from embark_testing.servers.free_ports import free_ports
from embark_testing.servers.maven_jars import server_jars
from embark_testing.servers.server_process import Server, listens

# The internals of Java 17 that Cassandra accesses; its own start script opens the same ones.
_EXPORTS = {
    "java.base": ("java.lang.ref", "jdk.internal.misc", "jdk.internal.ref", "sun.nio.ch"),
    "java.management.rmi": ("com.sun.jmx.remote.internal.rmi",),
    "java.rmi": ("sun.rmi.registry", "sun.rmi.server"),
    "java.sql": ("java.sql",),
    "jdk.unsupported": ("sun.misc",),
}
_OPENS = {
    "java.base": (
        *("java.io", "java.lang", "java.lang.module", "java.lang.reflect", "java.nio", "java.util"),
        *("jdk.internal.loader", "jdk.internal.math", "jdk.internal.module", "jdk.internal.ref"),
        *("jdk.internal.reflect", "sun.nio.ch"),
    ),
    "jdk.management": ("com.sun.management.internal",),
}
_JVM = ("-Xms768m", "-Xmx768m")
# Without it logback writes every DEBUG line.
_LOGBACK = Path(__file__).with_name("logback.xml")


@dataclass(frozen=True, slots=True)
class Node:
    """A node's address for clients and for other nodes, and its seed; all nodes of a cluster use the same ports."""

    host: str
    port: int
    storage_port: int
    seed: str

    @property
    def begins(self) -> bool:
        """Whether this is the first node of the cluster, which waits for no other node."""
        return self.host == self.seed


class CassandraServer(Server):
    """A node that serves CQL at `host` and `port`; driver clients authenticate with `login`."""

    datacenter = "datacenter1"

    def __init__(self, command: Sequence[str], folder: Path, node: Node, login: Mapping[str, Any]) -> None:
        self.host = node.host
        self.port = node.port
        self._login = login
        super().__init__("cassandra", command, folder, self._answers_cql)

    def peers(self) -> int:
        """Return how many other nodes it knows; 0 while it does not answer."""
        return self._ask("SELECT count(*) FROM system.peers_v2") or 0

    def _answers_cql(self) -> bool:
        return self._ask("SELECT release_version FROM system.local") is not None

    def _ask(self, statement: str) -> Any:
        """Return the first column of the first row, read only from this node; None while it does not answer."""
        if not listens(self.host, self.port):
            return None
        profile = ExecutionProfile(load_balancing_policy=WhiteListRoundRobinPolicy([self.host]), request_timeout=5)
        profiles = {EXEC_PROFILE_DEFAULT: profile}
        cluster = Cluster([self.host], self.port, protocol_version=4, execution_profiles=profiles, **self._login)
        try:
            return cluster.connect().execute(statement).one()[0]
        except (NoHostAvailable, DriverException):
            return None
        finally:
            cluster.shutdown()


@contextmanager
def cassandra_server(
    folder: Path,
    host: str = "127.0.0.1",
    options: Mapping[str, Any] | None = None,
    login: Mapping[str, Any] | None = None,
    jvm: Sequence[str] = _JVM,
) -> Iterator[CassandraServer]:
    """Run a node in `folder` on free ports of `host`; `options` are added to its cassandra.yaml, or replace its own.

    `login` is what the driver's Cluster needs besides the address where `options` ask for more; `jvm` has the options
    of its Java.

    Raises:
        MissingToolsError: Java or Maven is not installed.
        ServerFailedError: it did not start.
    """
    port, storage_port = free_ports(host, 2)
    server = prepare_node(folder, Node(host, port, storage_port, host), options, login, jvm)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def prepare_node(
    folder: Path,
    node: Node,
    options: Mapping[str, Any] | None = None,
    login: Mapping[str, Any] | None = None,
    jvm: Sequence[str] = _JVM,
) -> CassandraServer:
    """Write the files that `node` reads at its start, without starting it.

    Raises:
        MissingToolsError: Java or Maven is not installed.
    """
    jars = server_jars("cassandra", os.environ)
    conf = folder / "conf"
    conf.mkdir()
    (conf / "cassandra.yaml").write_text(yaml.safe_dump(_options(folder, node) | dict(options or {})))
    shutil.copy(_LOGBACK, conf)
    return CassandraServer(_command(folder, jars, node, jvm), folder, node, login or {})


def reach_options() -> list[str]:
    """Return the options that give Cassandra access to the internals of Java 17."""
    exports = [f"--add-exports={name}/{package}=ALL-UNNAMED" for name in _EXPORTS for package in _EXPORTS[name]]
    opens = [f"--add-opens={name}/{package}=ALL-UNNAMED" for name in _OPENS for package in _OPENS[name]]
    return exports + opens


def _command(folder: Path, jars: Path, node: Node, jvm: Sequence[str]) -> list[str]:
    properties = {
        "cassandra-foreground": "yes",
        "cassandra.config": (folder / "conf" / "cassandra.yaml").as_uri(),
        "cassandra.storagedir": str(folder / "data"),
        # How long a joining node waits for gossip about the ring.
        "cassandra.ring_delay_ms": "0" if node.begins else "2000",
        "cassandra.skip_wait_for_gossip_to_settle": "0",
        "cassandra.superuser_setup_delay_ms": "0",
        "io.netty.tryReflectionSetAccessible": "true",
        "java.io.tmpdir": str(folder),
        "java.net.preferIPv4Stack": "true",
        "jdk.attach.allowAttachSelf": "true",
    }
    agents = [f"-javaagent:{jar}" for jar in jars.glob("jamm-*.jar")]
    named = [f"-D{name}={value}" for name, value in properties.items()]
    path = f"{folder / 'conf'}:{jars}/*"
    main = "org.apache.cassandra.service.CassandraDaemon"
    return ["java", *jvm, *agents, *reach_options(), *named, "-cp", path, main]


def _options(folder: Path, node: Node) -> dict[str, Any]:
    seeds = {"class_name": "org.apache.cassandra.locator.SimpleSeedProvider"}
    data = folder / "data"
    return {
        "cluster_name": "tests",
        "num_tokens": 4,
        "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
        "endpoint_snitch": "SimpleSnitch",
        "seed_provider": [seeds | {"parameters": [{"seeds": f"{node.seed}:{node.storage_port}"}]}],
        "listen_address": node.host,
        "storage_port": node.storage_port,
        "rpc_address": node.host,
        "native_transport_port": node.port,
        "data_file_directories": [str(data / "data")],
        "commitlog_directory": str(data / "commitlog"),
        "saved_caches_directory": str(data / "saved_caches"),
        "hints_directory": str(data / "hints"),
        "commitlog_sync": "periodic",
        "commitlog_sync_period": "10s",
        # Tests never recover what they truncate or drop.
        "auto_snapshot": False,
    }
