"""A real Cassandra node on loopback, for the fixtures and for `make servers`."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from cassandra import DriverException
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable
from cassandra.policies import WhiteListRoundRobinPolicy
from free_ports import free_ports
from maven_jars import server_jars
from server_process import Server, listens

# What Cassandra reaches into inside a Java 17; its own start script gives the same permissions.
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
# Without it logback writes every DEBUG line.
_LOGBACK = """<configuration>
  <appender name="out" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%-5level [%thread] %date{ISO8601} %logger{0} - %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="out"/></root>
</configuration>
"""


class CassandraServer(Server):
    """A node; `host` and `port` are where it answers CQL, to clients of the driver made with `login` too."""

    datacenter = "datacenter1"

    def __init__(self, command: Sequence[str], folder: Path, host: str, port: int, login: Mapping[str, Any]) -> None:
        self.host = host
        self.port = port
        self._login = login
        super().__init__("cassandra", command, folder, self._answers_cql)

    def _answers_cql(self) -> bool:
        if not listens(self.host, self.port):
            return False
        profile = ExecutionProfile(load_balancing_policy=WhiteListRoundRobinPolicy([self.host]), request_timeout=5)
        profiles = {EXEC_PROFILE_DEFAULT: profile}
        cluster = Cluster([self.host], self.port, protocol_version=4, execution_profiles=profiles, **self._login)
        try:
            return bool(cluster.connect().execute("SELECT release_version FROM system.local").one())
        except (NoHostAvailable, DriverException):
            return False
        finally:
            cluster.shutdown()


@contextmanager
def cassandra_server(
    folder: Path,
    host: str = "127.0.0.1",
    options: Mapping[str, Any] | None = None,
    login: Mapping[str, Any] | None = None,
    heap: str = "768m",
) -> Iterator[CassandraServer]:
    """Run a node in `folder` on free ports of `host`; `options` are added to its cassandra.yaml, or replace its own.

    `login` is what the driver's Cluster needs besides the address where `options` ask for more.

    Raises:
        MissingToolsError: Java or Maven is not installed.
        ServerFailedError: it did not start.
    """
    jars = server_jars("cassandra", os.environ)
    port, storage_port = free_ports(host, 2)
    conf = folder / "conf"
    conf.mkdir()
    (conf / "cassandra.yaml").write_text(
        yaml.safe_dump(_options(folder, host, port, storage_port) | dict(options or {}))
    )
    (conf / "logback.xml").write_text(_LOGBACK)
    server = CassandraServer(_command(folder, jars, heap), folder, host, port, login or {})
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _command(folder: Path, jars: Path, heap: str) -> list[str]:
    reach = [f"--add-exports={name}/{package}=ALL-UNNAMED" for name in _EXPORTS for package in _EXPORTS[name]]
    reach += [f"--add-opens={name}/{package}=ALL-UNNAMED" for name in _OPENS for package in _OPENS[name]]
    properties = {
        "cassandra-foreground": "yes",
        "cassandra.config": (folder / "conf" / "cassandra.yaml").as_uri(),
        "cassandra.storagedir": str(folder / "data"),
        # One node has nobody to wait for.
        "cassandra.ring_delay_ms": "0",
        "cassandra.skip_wait_for_gossip_to_settle": "0",
        "cassandra.superuser_setup_delay_ms": "0",
        "io.netty.tryReflectionSetAccessible": "true",
        "java.io.tmpdir": str(folder),
        "java.net.preferIPv4Stack": "true",
        "jdk.attach.allowAttachSelf": "true",
    }
    agents = [f"-javaagent:{jar}" for jar in jars.glob("jamm-*.jar")]
    memory = [f"-Xms{heap}", f"-Xmx{heap}"]
    named = [f"-D{name}={value}" for name, value in properties.items()]
    path = f"{folder / 'conf'}:{jars}/*"
    return ["java", *memory, *agents, *reach, *named, "-cp", path, "org.apache.cassandra.service.CassandraDaemon"]


def _options(folder: Path, host: str, port: int, storage_port: int) -> dict[str, Any]:
    seeds = {"class_name": "org.apache.cassandra.locator.SimpleSeedProvider"}
    data = folder / "data"
    return {
        "cluster_name": "tests",
        "num_tokens": 4,
        "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
        "endpoint_snitch": "SimpleSnitch",
        "seed_provider": [seeds | {"parameters": [{"seeds": f"{host}:{storage_port}"}]}],
        "listen_address": host,
        "storage_port": storage_port,
        "rpc_address": host,
        "native_transport_port": port,
        "data_file_directories": [str(data / "data")],
        "commitlog_directory": str(data / "commitlog"),
        "saved_caches_directory": str(data / "saved_caches"),
        "hints_directory": str(data / "hints"),
        "commitlog_sync": "periodic",
        "commitlog_sync_period": "10s",
        # What tests truncate or drop need not be recovered.
        "auto_snapshot": False,
    }
