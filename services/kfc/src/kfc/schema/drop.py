"""The drop command, `python -m kfc.schema.drop --settings FILE`: ends a space that a cache keeps no longer.

With `--keyspace` it ends the whole cache, as far as store and consumer groups are concerned.

It may be run again at any point; where the servers do not answer, or the space's KFC still runs, it ends with status 1
and the Job that runs it tries again.
"""

import argparse
import logging
import sys
from contextlib import closing

from embark.backends import Secrets, open_store, run_command, topic_access
from embark.processes import read_settings
from embark.settings import KfcSettings
from embark.topic.kafka.groups import drop_group
from kfc.schema.keyspaces import drop_keyspace


def run(asked: argparse.Namespace) -> None:
    """Drop the consumer group of the space once it has no member, then its checkpoints and its table."""
    settings, secrets = read_settings(asked.settings, KfcSettings), Secrets.from_args(asked)
    log = logging.getLogger(__name__)
    # First: while a KFC still is a member it writes to the table.
    dropped = drop_group(settings.topic, settings.consumer_group, topic_access(secrets))
    log.info(
        "the consumer group is %s", "dropped" if dropped else "not there", extra={"group": settings.consumer_group}
    )
    with closing(open_store(settings.store, secrets)) as store:
        store.drop_space(settings.space.id)
    log.info("the store has the space no longer", extra={"cache": settings.cache, "space": settings.space.id})


def _add_options(parser: argparse.ArgumentParser) -> None:
    whole = "drop the keyspace with every space in it, and the consumer groups of all of them"
    parser.add_argument("--keyspace", action="store_true", help=whole)


def _run_asked(asked: argparse.Namespace) -> None:
    if asked.keyspace:
        drop_keyspace(read_settings(asked.settings, KfcSettings), Secrets.from_args(asked))
    else:
        run(asked)


if __name__ == "__main__":
    does = "Drop the table, the checkpoints and the consumer group of one space."
    sys.exit(run_command("kfc.schema.drop", does, _run_asked, _add_options))
