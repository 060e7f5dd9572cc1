"""The consumer groups that the brokers report, read without the code under test."""

from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka.admin import AdminClient

from embark.settings import TopicSettings

_SECONDS = 30


def list_groups(settings: TopicSettings) -> set[str]:
    """Return the names of the groups on the brokers."""
    admin = _open_admin(settings)
    found = admin.list_consumer_groups(request_timeout=_SECONDS).result(_SECONDS)
    return {group.group_id for group in found.valid}


def read_commits(settings: TopicSettings, group: str) -> dict[int, int]:
    """Return the offsets that a group has committed, by partition."""
    # An unreferenced client would never answer.
    admin = _open_admin(settings)
    replies = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], request_timeout=_SECONDS)
    return {found.partition: found.offset for found in replies[group].result(_SECONDS).topic_partitions}


def _open_admin(settings: TopicSettings) -> AdminClient:
    return AdminClient({"bootstrap.servers": ",".join(settings.kafka.bootstrap_servers)})
