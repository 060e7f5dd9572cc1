"""An EmbArk whose producer holds few records; a script that tests start in place of `python -m embark_server`.

It is that process and nothing else, but for the capacity of KafkaTopic, which is 100,000 otherwise.
"""

import argparse
import sys
from functools import partial
from unittest.mock import patch

from embark import backends
from embark.settings import EmbArkSettings
from embark.topic.kafka.adapter import KafkaTopic
from embark_server import __main__ as process


def main() -> int:
    """Run as the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--capacity", type=int, required=True)
    asked, sys.argv[1:] = parser.parse_known_args()
    with patch.object(backends, "KafkaTopic", partial(KafkaTopic, capacity=asked.capacity)):
        return backends.run_command("embark_server", "Answer look-ups of one cache.", EmbArkSettings, process.run)


if __name__ == "__main__":
    sys.exit(main())
