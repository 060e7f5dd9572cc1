"""Runs Cassandra and Kafka on this machine until Ctrl-C: `make servers`, or `python -m embark_testing.servers.run`."""

import argparse
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from embark_testing.servers.cassandra_nodes import cassandra_nodes
from embark_testing.servers.cassandra_server import cassandra_server
from embark_testing.servers.kafka_brokers import kafka_brokers
from embark_testing.servers.kafka_server import kafka_server
from embark_testing.servers.maven_jars import FetchError, MissingToolsError
from embark_testing.servers.server_process import ServerFailedError

# Of one cluster; each is a process of some 200 MB (Kafka) or 800 MB (Cassandra).
_MAX_SERVERS = 9


def main(arguments: list[str]) -> int:
    """Start them, print their addresses, and stop them on Ctrl-C or SIGTERM; return the exit status."""
    parser = argparse.ArgumentParser(prog="make servers ARGS=...", description=__doc__)
    parser.add_argument("--brokers", type=int, choices=range(1, _MAX_SERVERS + 1), default=1, help="Kafka brokers")
    parser.add_argument("--nodes", type=int, choices=range(1, _MAX_SERVERS + 1), default=1, help="Cassandra nodes")
    args = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="embark-servers-")))
            print(f"Starting (the first time, jars come from Maven Central); logs are in {folder}", flush=True)
            for name in ("cassandra", "kafka"):
                (folder / name).mkdir()
            bootstrap = _start_kafka(stack, folder / "kafka", args.brokers)
            print(f"kafka      bootstrap server {bootstrap}", flush=True)
            hosts, port = _start_cassandra(stack, folder / "cassandra", args.nodes)
            print(f"cassandra  contact point {hosts}, port {port}", flush=True)
            print("Ctrl-C stops them.", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        print("Stopped.")
    except (FetchError, MissingToolsError, ServerFailedError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _start_kafka(stack: ExitStack, folder: Path, brokers: int) -> str:
    if brokers == 1:
        return stack.enter_context(kafka_server(folder)).bootstrap
    return stack.enter_context(kafka_brokers(folder, brokers)).bootstrap


def _start_cassandra(stack: ExitStack, folder: Path, nodes: int) -> tuple[str, int]:
    started = (
        [stack.enter_context(cassandra_server(folder))]
        if nodes == 1
        else stack.enter_context(cassandra_nodes(folder, nodes))
    )
    return ",".join(node.host for node in started), started[0].port


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
