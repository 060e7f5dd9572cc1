"""Topics on a Kafka broker for tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType  # type: ignore[attr-defined]

from embark.settings import TopicSettings
from embark.spec import Kafka
from embark.topic import FillConsumer
from embark.topic.kafka.adapter import KafkaTopic
from embark.topic.kafka.consumer import KafkaConsumer
from embark.topic.kafka.limits import DEFAULT_LIMITS, KafkaLimits
from embark.topic.kafka.schema import ensure_topics
from embark_testing.contracts.records import CAPACITY, NO_TIME, PARTITIONS
from embark_testing.eventually import eventually

# A group settles within a few heartbeats; those of the test broker are a second apart.
_SECONDS_TO_SETTLE = 60.0


def topic_settings(bootstrap: str, partitions: int = PARTITIONS) -> TopicSettings:
    """Return the settings of topics that no test has used."""
    name = f"test.{uuid4().hex[:12]}"
    kafka = Kafka(bootstrap_servers=(bootstrap,), partitions=partitions)
    return TopicSettings(kafka=kafka, fills=f"{name}.fills", dead_letters=f"{name}.dead-letters")


def topic_config(bootstrap: str, topic: str) -> dict[str, str]:
    """Return the configuration of a topic as the brokers report it."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    resource = ConfigResource(ResourceType.TOPIC, topic)
    return {name: entry.value for name, entry in admin.describe_configs([resource])[resource].result(30).items()}


@contextmanager
def fresh_topic(
    bootstrap: str, partitions: int = PARTITIONS, limits: KafkaLimits = DEFAULT_LIMITS
) -> Iterator[KafkaTopic]:
    """Open a topic that is created for one test."""
    settings = topic_settings(bootstrap, partitions)
    ensure_topics(settings)
    topic = KafkaTopic(settings, capacity=CAPACITY, limits=limits)
    yield topic
    topic.close()


def settle(*consumers: FillConsumer, partitions: int = PARTITIONS) -> None:
    """Wait until the members share all partitions and hold every record that is left."""
    members = [consumer for consumer in consumers if isinstance(consumer, KafkaConsumer)]

    def settled() -> bool:
        for member in members:
            member.pause(True)  # noqa: FBT003 - as the protocol
            assert list(member.poll(1, NO_TIME)) == []
        shares = [len(member.owned) for member in members]
        if not all(shares) or sum(shares) != partitions:
            return False
        return sum(member.held for member in members) == members[0].lag()

    eventually(settled, _SECONDS_TO_SETTLE, what="the members share the partitions")
    for member in members:
        member.pause(False)  # noqa: FBT003 - as the protocol
