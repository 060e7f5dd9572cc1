"""The drop command, `python -m kfc.schema.drop --settings FILE`: drops a space that a cache no longer keeps.

With the scope Cache it drops the whole cache from store and topic, once none of its services runs.

It is safe to run again at any point. If a server does not answer, or a KFC of the space still runs, it exits with
status 1, and the Job that runs it tries again.
"""

import logging
import sys
from contextlib import closing
from typing import Final

from embark.backends import Secrets, open_store, run_command, topic_access
from embark.settings import DropScope, DropSettings, KfcSettings
from embark.topic.kafka.groups import drop_group

_log: Final = logging.getLogger(__name__)


def run(settings: DropSettings, secrets: Secrets) -> None:
    """Drop what `settings.scope` says."""
    drop = drop_cache if settings.scope is DropScope.CACHE else drop_space
    drop(settings.kfc, secrets)


def drop_space(settings: KfcSettings, secrets: Secrets) -> None:
    """Drop the consumer group of the space once it has no member, then its checkpoints and its table.

    Raises:
        UnavailableError: a server does not answer, or the space's KFC still runs.
    """
    # First: a KFC that is still a member writes to the table.
    _drop_group(settings, settings.space.id, secrets)
    with closing(open_store(settings.store, secrets)) as store:
        store.drop_space(settings.space.id)
    _log.info("dropped the space from the store", extra={"cache": settings.cache, "space": settings.space.id})


def drop_cache(settings: KfcSettings, secrets: Secrets) -> None:
    """Drop the consumer groups of every space of the cache, and then its keyspace; its topics stay.

    The keyspace lists the spaces, so an interrupted drop can be run again.

    Raises:
        UnavailableError: a server does not answer, or a KFC of the cache still runs.
    """
    with closing(open_store(settings.store, secrets)) as store:
        for space in sorted({settings.space.id, *store.spaces()}):
            _drop_group(settings, space, secrets)
        store.drop_keyspace()
    _log.info("dropped the keyspace", extra={"keyspace": settings.store.cassandra.keyspace})


def _drop_group(settings: KfcSettings, space: str, secrets: Secrets) -> None:
    group = settings.consumer_group_for(space)
    dropped = drop_group(settings.topic, group, topic_access(secrets))
    _log.info("the consumer group %s", "was dropped" if dropped else "does not exist", extra={"group": group})


if __name__ == "__main__":
    sys.exit(run_command("kfc.schema.drop", "Drop one space, or all of a cache.", DropSettings, run))
