"""The schema command, `python -m kfc.schema --settings FILE`: the one place that makes tables and topics.

Of a space that is re-embedded from another it also sets where its consumer group begins: where the other space's group
is before that space is scanned. What was asked for earlier is in the other space, and comes from there.
"""

import logging
import sys
from contextlib import closing

from embark.backends import Secrets, open_store, run_command, topic_access
from embark.settings import KfcSettings
from embark.topic.kafka.groups import start_at_end
from embark.topic.kafka.schema import ensure_topics


def run(settings: KfcSettings, secrets: Secrets) -> None:
    """Make what the space needs and is not there yet; safe to run again, and by several at once."""
    log = logging.getLogger(__name__)
    with closing(open_store(settings.store, secrets)) as store:
        store.ensure_space(settings.space.id)
        store.ensure_search(settings.space.id, settings.space.dimension)
    log.info("the store has the space", extra={"cache": settings.cache, "space": settings.space.id})
    access = topic_access(secrets)
    for topic in ensure_topics(settings.topic, access):
        log.info("the topic is %s", "made" if topic.created else "there", extra={"topic": topic.name})
        for difference in topic.differences:
            log.warning("topic %s: %s", topic.name, difference, extra={"topic": topic.name})
    if settings.source:
        beside = settings.consumer_group_for(settings.source)
        joined = start_at_end(settings.topic, settings.consumer_group, access, offsets_of=beside)
        where = f"begins where {beside} is" if joined else "has begun already"
        log.info("the consumer group %s", where, extra={"group": settings.consumer_group, "source": settings.source})


if __name__ == "__main__":
    sys.exit(run_command("kfc.schema", "Make the tables and topics of one space.", KfcSettings, run))
