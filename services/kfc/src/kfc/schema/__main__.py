"""The schema command, `python -m kfc.schema --settings FILE`: creates the tables and topics of a space.

For a space that is re-embedded from another it also sets where its consumer group begins: at the offsets of the other
space's group before that space is scanned. Earlier requests are answered in the other space, and scanned from there.
"""

import logging
import sys
from contextlib import closing

from embark.backends import Secrets, open_store, run_command, topic_access
from embark.settings import KfcSettings
from embark.topic.kafka.groups import start_at_end
from embark.topic.kafka.schema import ensure_topics


def run(settings: KfcSettings, secrets: Secrets) -> None:
    """Create what the space needs and does not exist yet; safe to run again, and several times at once."""
    log = logging.getLogger(__name__)
    with closing(open_store(settings.store, secrets)) as store:
        store.ensure_space(settings.space.id)
        store.ensure_search(settings.space.id, settings.space.dimension)
    log.info("the table of the space exists", extra={"cache": settings.cache, "space": settings.space.id})
    access = topic_access(secrets)
    for topic in ensure_topics(settings.topic, access):
        log.info("the topic %s", "was created" if topic.created else "exists", extra={"topic": topic.name})
        for difference in topic.differences:
            log.warning("topic %s: %s", topic.name, difference, extra={"topic": topic.name})
    if settings.source:
        source_group = settings.consumer_group_for(settings.source)
        joined = start_at_end(settings.topic, settings.consumer_group, access, offsets_of=source_group)
        where = f"begins at the offsets of {source_group}" if joined else "already has offsets"
        log.info("the consumer group %s", where, extra={"group": settings.consumer_group, "source": settings.source})


if __name__ == "__main__":
    sys.exit(run_command("kfc.schema", "Create the tables and topics of one space.", KfcSettings, run))
