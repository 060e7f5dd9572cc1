"""A KFC that its group soon excludes if it does not poll; a script that tests start instead of `python -m kfc`.

It is that process with another `max.poll.interval.ms` of librdkafka, whose default is five minutes.
"""

import argparse
import sys
from unittest.mock import patch

from embark.backends import run_command
from embark.settings import KfcSettings
from embark.topic.kafka import consumer as kafka_consumer
from embark.topic.kafka.options import Options, consumer_options
from kfc import __main__ as process


def main() -> int:
    """Entry point of the script."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--max-poll-interval-ms", type=int, required=True)
    args, sys.argv[1:] = parser.parse_known_args()

    def options(group: str, *, classic: bool) -> Options:
        return consumer_options(group, classic=classic) | {"max.poll.interval.ms": args.max_poll_interval_ms}

    with patch.object(kafka_consumer, "consumer_options", options):
        return run_command("kfc", "Fill one space.", KfcSettings, process.run)


if __name__ == "__main__":
    sys.exit(main())
