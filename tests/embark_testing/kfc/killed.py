"""A KFC that kills itself when it reaches a named point; a script that tests start in place of `python -m kfc`.

It is that process and nothing else, but for the one method after which it dies.
"""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from embark.backends import run_command
from embark.settings import KfcSettings
from embark.store.cassandra.adapter import CassandraStore
from embark.topic.kafka.consumer import KafkaConsumer
from kfc import __main__ as process
from kfc.encoder import RetinaEncoder

POINTS = {
    "after poll": (KafkaConsumer, "poll"),
    "after Retina's answer": (RetinaEncoder, "encode"),
    "after the write": (CassandraStore, "write"),
    "after the offset store": (KafkaConsumer, "commit"),
}


def deadly(method: Callable[..., Any], armed: Path, times: int) -> Callable[..., Any]:
    """Return `method`, killing the process after it did something for the `times`-th time since `armed` is there."""
    lock = threading.Lock()
    left = times

    def call(*arguments: Any) -> Any:
        nonlocal left
        result = method(*arguments)
        idle = result is not None and not result  # a poll that found no record
        with lock:
            if not idle and armed.exists():
                left -= 1
                if not left:
                    os.kill(os.getpid(), signal.SIGKILL)
        return result

    return call


def main() -> int:
    """Run as the command line says, until the point is reached."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--point", choices=POINTS, required=True)
    parser.add_argument("--times", type=int, required=True)
    parser.add_argument("--armed", type=Path, required=True)
    asked, sys.argv[1:] = parser.parse_known_args()
    owner, name = POINTS[asked.point]
    with patch.object(owner, name, deadly(getattr(owner, name), asked.armed, asked.times)):
        return run_command("kfc", "Fill one space until it is killed.", KfcSettings, process.run)


if __name__ == "__main__":
    sys.exit(main())
