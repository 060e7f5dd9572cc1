"""What the brokers know of consumer groups, asked past the code under test."""

from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka.admin import AdminClient

from embark.settings import TopicSettings

_SECONDS = 30


def groups_of(settings: TopicSettings) -> set[str]:
    """Return the groups that the brokers know."""
    admin = _open_admin(settings)
    found = admin.list_consumer_groups(request_timeout=_SECONDS).result(_SECONDS)
    return {group.group_id for group in found.valid}


def commits_of(settings: TopicSettings, group: str) -> dict[int, int]:
    """Return what a group has committed, by partition."""
    # A client that nothing refers to any more would never answer.
    admin = _open_admin(settings)
    asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], request_timeout=_SECONDS)
    return {found.partition: found.offset for found in asked[group].result(_SECONDS).topic_partitions}


def _open_admin(settings: TopicSettings) -> AdminClient:
    return AdminClient({"bootstrap.servers": ",".join(settings.kafka.bootstrap_servers)})
