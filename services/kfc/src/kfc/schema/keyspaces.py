"""Drops a whole cache from store and topic: `python -m kfc.schema.drop --keyspace`, once none of its services run."""

import logging
from contextlib import closing

from embark.backends import Secrets, open_store, topic_access
from embark.settings import KfcSettings
from embark.topic.kafka.groups import drop_group


def drop_keyspace(settings: KfcSettings, secrets: Secrets) -> None:
    """Drop the consumer groups of every space of the cache, and then its keyspace; its topics stay.

    It may be run again at any point: which spaces there were is known as long as the keyspace is there.

    Raises:
        UnavailableError: a server does not answer, or a KFC of the cache still runs.
    """
    log = logging.getLogger(__name__)
    with closing(open_store(settings.store, secrets)) as store:
        for space in sorted({settings.space.id, *store.spaces()}):
            group = settings.group_of(space)
            dropped = drop_group(settings.topic, group, topic_access(secrets))
            log.info("group %s is %s", group, "dropped" if dropped else "not there")
        store.drop_keyspace()
    log.info("the store has the keyspace no longer", extra={"keyspace": settings.store.cassandra.keyspace})
