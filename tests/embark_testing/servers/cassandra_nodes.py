"""Several real Cassandra nodes of one ring, each on a loopback address of its own, for tests that lose one."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from embark_testing.servers.cassandra_server import CassandraServer, Node, prepare_node
from embark_testing.servers.free_ports import free_ports
from embark_testing.servers.server_process import ServerFailedError

_RING_SECONDS = 60.0
_STEP = 0.2
# Small, and compiled quickly instead of well: these nodes are short-lived.
_JVM = ("-Xms384m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
# For a machine that also runs the tests.
_SMALL = {
    "concurrent_reads": 8,
    "concurrent_writes": 8,
    "concurrent_counter_writes": 4,
    "file_cache_size": "32MiB",
    "memtable_heap_space": "48MiB",
    "memtable_offheap_space": "48MiB",
    # Only the first node's: a node that joins later finds nothing to copy.
    "auto_bootstrap": False,
}


@contextmanager
def cassandra_nodes(folder: Path, count: int = 2) -> Iterator[Sequence[CassandraServer]]:
    """Run `count` nodes on 127.0.0.1, 127.0.0.2 and so on; each later one joins the ring of the first.

    Raises:
        MissingToolsError: Java or Maven is not installed.
        ServerFailedError: one did not start, or they did not find each other.
    """
    hosts = [f"127.0.0.{number}" for number in range(1, count + 1)]
    port, storage_port = free_ports(hosts[0], 2, *hosts[1:])
    nodes: list[CassandraServer] = []
    with ExitStack() as stack:
        for number, host in enumerate(hosts, 1):
            own = folder / f"cassandra-{number}"
            own.mkdir()
            node = prepare_node(own, Node(host, port, storage_port, hosts[0]), _SMALL, jvm=_JVM)
            # Their data is not kept, so nothing needs to be flushed.
            stack.callback(node.kill)
            node.start()
            nodes.append(node)
        _await_ring(nodes)
        yield nodes


def _await_ring(nodes: Sequence[CassandraServer]) -> None:
    deadline = time.monotonic() + _RING_SECONDS
    while any(node.peers() < len(nodes) - 1 for node in nodes):
        if time.monotonic() > deadline:
            raise ServerFailedError(f"the nodes of Cassandra did not find each other within {_RING_SECONDS} s")
        time.sleep(_STEP)
