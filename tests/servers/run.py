"""Runs a Cassandra and a Kafka on this machine until Ctrl-C: `make servers`, or `python tests/servers/run.py`."""

import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from cassandra_server import cassandra_server
from kafka_server import kafka_server
from maven_jars import FetchError, MissingToolsError
from server_process import ServerFailedError


def main() -> int:
    """Start both, print where they answer, and stop them at Ctrl-C or SIGTERM; return the exit status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="embark-servers-")))
            print(f"Starting (the first time, jars come from Maven Central); logs are in {folder}", flush=True)
            for name in ("cassandra", "kafka"):
                (folder / name).mkdir()
            kafka = stack.enter_context(kafka_server(folder / "kafka"))
            print(f"kafka      bootstrap server {kafka.bootstrap}", flush=True)
            cassandra = stack.enter_context(cassandra_server(folder / "cassandra"))
            print(f"cassandra  contact point {cassandra.host}, port {cassandra.port}", flush=True)
            print("Ctrl-C stops them.", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        print("Stopped.")
    except (FetchError, MissingToolsError, ServerFailedError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
