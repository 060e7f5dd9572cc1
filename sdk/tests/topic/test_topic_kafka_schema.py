import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # exported, but not in its types

from embark.errors import UnavailableError
from embark.settings import TopicSettings
from embark.topic.kafka.schema import TopicState, ensure_topics
from embark_testing.deployments.kafka_topics import topic_config, topic_settings
from embark_testing.eventually import eventually
from embark_testing.servers.kafka_server import KafkaServer

pytestmark = pytest.mark.integration
WEEK = str(timedelta(days=7) // timedelta(milliseconds=1))


def with_kafka(settings: TopicSettings, **changes: int) -> TopicSettings:
    return settings.model_copy(update={"kafka": settings.kafka.model_copy(update=changes)})


def create_topic(kafka: KafkaServer, topic: str, config: dict[str, str]) -> None:
    """Create a topic of one partition with a configuration that EmbArk did not choose."""
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    admin.create_topics([NewTopic(topic, 1, 1, config=config)])[topic].result(10)
    eventually(lambda: topic in admin.list_topics(timeout=10).topics, what="the brokers list the topic")


def test_topics_are_created_once_with_partitions_retention_and_compression(kafka: KafkaServer) -> None:
    settings = topic_settings(kafka.bootstrap, partitions=3)
    assert [state.created for state in ensure_topics(settings)] == [True, True]
    assert list(ensure_topics(settings)) == [TopicState(settings.fills), TopicState(settings.dead_letters)]
    topics = AdminClient({"bootstrap.servers": kafka.bootstrap}).list_topics(timeout=10).topics
    assert len(topics[settings.fills].partitions) == 3
    assert len(topics[settings.dead_letters].partitions) == 1
    config = topic_config(kafka.bootstrap, settings.fills)
    assert config["retention.ms"] == WEEK
    assert (config["compression.type"], config["cleanup.policy"]) == ("lz4", "delete")
    assert config["min.insync.replicas"] == "1"


def test_differing_settings_of_an_existing_topic_are_changed_and_logged_and_others_stay(
    kafka: KafkaServer, caplog: pytest.LogCaptureFixture
) -> None:
    settings = topic_settings(kafka.bootstrap)
    others = {"retention.ms": "1000", "compression.type": "gzip", "segment.bytes": "2097152"}
    create_topic(kafka, settings.fills, others)
    with caplog.at_level(logging.INFO, "embark.topic.kafka.schema"):
        fills, letters = ensure_topics(settings)
    assert (fills.created, fills.grown_from, letters.created) == (False, 1, True)
    assert set(fills.changes) == {
        f"retention.ms is {WEEK} (was 1000)",
        "compression.type is lz4 (was gzip)",
    }
    assert all(f"topic {settings.fills}: {change}" in caplog.text for change in fills.changes)
    eventually(
        lambda: topic_config(kafka.bootstrap, settings.fills)["retention.ms"] == WEEK,
        what="the broker has the retention",
    )
    config = topic_config(kafka.bootstrap, settings.fills)
    assert (config["compression.type"], config["segment.bytes"]) == ("lz4", "2097152")
    assert [state.changes for state in ensure_topics(settings)] == [(), ()]


def test_writes_never_need_more_replicas_than_a_topic_has(kafka: KafkaServer) -> None:
    settings = topic_settings(kafka.bootstrap)
    ensure_topics(settings)
    fills, _ = ensure_topics(with_kafka(settings, replication_factor=3))
    assert (fills.changes, fills.differences) == ((), ("1 replicas, but the cache declares 3",))


def test_missing_partitions_are_added_and_too_many_are_reported(kafka: KafkaServer) -> None:
    settings = topic_settings(kafka.bootstrap, partitions=2)
    ensure_topics(settings)
    grown, _ = ensure_topics(with_kafka(settings, partitions=5))
    assert (grown.created, grown.grown_from, grown.differences) == (False, 2, ())
    left, _ = ensure_topics(settings)
    assert left.differences == ("5 partitions, but the cache declares 2",)
    other, _ = ensure_topics(with_kafka(settings, partitions=5, replication_factor=2))
    assert other.differences == ("1 replicas, but the cache declares 2",)


def test_concurrent_commands_create_a_topic_once(kafka: KafkaServer) -> None:
    settings = topic_settings(kafka.bootstrap)
    with ThreadPoolExecutor(6) as threads:
        states = [future.result() for future in [threads.submit(ensure_topics, settings) for _ in range(6)]]
    assert all(state.differences == () for pair in states for state in pair)
    assert any(pair[0].created for pair in states)


def test_more_replicas_than_brokers_are_rejected_with_the_message_of_the_broker(kafka: KafkaServer) -> None:
    settings = with_kafka(topic_settings(kafka.bootstrap), replication_factor=3)
    with pytest.raises(UnavailableError, match=rf"{settings.fills}: .*replication factor"):
        ensure_topics(settings)
