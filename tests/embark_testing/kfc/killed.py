"""A KFC that kills itself at a named point; a script that tests start instead of `python -m kfc`.

It is that process with one method replaced.
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
    """Return `method`, killing the process after its `times`-th effective call since `armed` exists."""
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
    """Entry point of the script."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--point", choices=POINTS, required=True)
    parser.add_argument("--times", type=int, required=True)
    parser.add_argument("--armed", type=Path, required=True)
    args, sys.argv[1:] = parser.parse_known_args()
    owner, name = POINTS[args.point]
    with patch.object(owner, name, deadly(getattr(owner, name), args.armed, args.times)):
        return run_command("kfc", "Fill one space until it is killed.", KfcSettings, process.run)


if __name__ == "__main__":
    sys.exit(main())
