"""A KFC whose group misses it soon when it does not poll; a script that tests start in place of `python -m kfc`.

It is that process and nothing else, but for librdkafka's `max.poll.interval.ms`, which is five minutes otherwise.
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
    """Run as the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--max-poll-interval-ms", type=int, required=True)
    asked, sys.argv[1:] = parser.parse_known_args()

    def options(group: str, *, classic: bool) -> Options:
        return consumer_options(group, classic=classic) | {"max.poll.interval.ms": asked.max_poll_interval_ms}

    with patch.object(kafka_consumer, "consumer_options", options):
        return run_command("kfc", "Fill one space.", KfcSettings, process.run)


if __name__ == "__main__":
    sys.exit(main())
