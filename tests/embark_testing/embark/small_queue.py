"""`python -m embark_server` with a producer that holds few records; a script that tests start instead."""

import argparse
import sys
from functools import partial
from unittest.mock import patch

from embark import backends
from embark.settings import EmbArkSettings
from embark.topic.kafka.adapter import KafkaTopic
from embark_server import __main__ as process


def main() -> int:
    """Run the server with the capacity of the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--capacity", type=int, required=True)
    args, sys.argv[1:] = parser.parse_known_args()
    with patch.object(backends, "KafkaTopic", partial(KafkaTopic, capacity=args.capacity)):
        return backends.run_command("embark_server", "Answer lookups of one cache.", EmbArkSettings, process.run)


if __name__ == "__main__":
    sys.exit(main())
