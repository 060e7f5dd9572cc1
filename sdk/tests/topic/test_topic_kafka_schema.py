from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType  # type: ignore[attr-defined]
from kafka_server import KafkaServer
from topic_kafka import topic_settings

from embark.errors import UnavailableError
from embark.settings import TopicSettings
from embark.topic.kafka_schema import TopicState, ensure_topics

pytestmark = pytest.mark.integration


def with_kafka(settings: TopicSettings, **changes: int) -> TopicSettings:
    return settings.model_copy(update={"kafka": settings.kafka.model_copy(update=changes)})


def test_topics_are_made_once_with_partitions_retention_and_compression(kafka: KafkaServer) -> None:
    settings = topic_settings(kafka.bootstrap, partitions=3)
    assert [state.created for state in ensure_topics(settings)] == [True, True]
    assert list(ensure_topics(settings)) == [TopicState(settings.fills), TopicState(settings.dead_letters)]
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    topics = admin.list_topics(timeout=10).topics
    assert len(topics[settings.fills].partitions) == 3
    assert len(topics[settings.dead_letters].partitions) == 1
    resource = ConfigResource(ResourceType.TOPIC, settings.fills)
    config = admin.describe_configs([resource])[resource].result(10)
    week = timedelta(days=7) // timedelta(milliseconds=1)
    assert config["retention.ms"].value == str(week)
    assert (config["compression.type"].value, config["cleanup.policy"].value) == ("lz4", "delete")


def test_missing_partitions_are_added_and_too_many_are_reported(kafka: KafkaServer) -> None:
    settings = topic_settings(kafka.bootstrap, partitions=2)
    ensure_topics(settings)
    grown, _ = ensure_topics(with_kafka(settings, partitions=5))
    assert (grown.created, grown.grown_from, grown.differences) == (False, 2, ())
    left, _ = ensure_topics(settings)
    assert left.differences == ("5 partitions, and the cache says 2",)
    other, _ = ensure_topics(with_kafka(settings, partitions=5, replication_factor=2))
    assert other.differences == ("1 replicas, and the cache says 2",)


def test_several_at_once_make_a_topic_once(kafka: KafkaServer) -> None:
    settings = topic_settings(kafka.bootstrap)
    with ThreadPoolExecutor(6) as threads:
        states = [asked.result() for asked in [threads.submit(ensure_topics, settings) for _ in range(6)]]
    assert all(state.differences == () for pair in states for state in pair)
    assert any(pair[0].created for pair in states)


def test_more_replicas_than_brokers_are_refused_with_the_brokers_words(kafka: KafkaServer) -> None:
    settings = with_kafka(topic_settings(kafka.bootstrap), replication_factor=3)
    with pytest.raises(UnavailableError, match=rf"{settings.fills}: .*replication factor"):
        ensure_topics(settings)
