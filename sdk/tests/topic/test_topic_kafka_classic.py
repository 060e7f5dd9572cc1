"""The topic on brokers that support only the classic group protocol, as those before Kafka 4."""

from collections.abc import Iterator

import pytest

from embark.topic.kafka.adapter import KafkaTopic
from embark_testing.contracts.records import PARTITIONS, finished, send, sorted_keys, take
from embark_testing.deployments.kafka_topics import fresh_topic, settle
from embark_testing.servers.kafka_server import KafkaServer, kafka_server

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def classic(kafka: KafkaServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    # Requested after `kafka`, which skips with a reason if no broker can be started.
    del kafka
    properties = {"group.coordinator.rebalance.protocols": "classic"}
    with kafka_server(tmp_path_factory.mktemp("classic"), properties=properties) as server:
        yield server


@pytest.fixture
def topic(classic: KafkaServer) -> Iterator[KafkaTopic]:
    with fresh_topic(classic.bootstrap) as topic:
        yield topic


def test_members_share_the_partitions_by_the_classic_protocol(topic: KafkaTopic) -> None:
    one, two = topic.consumer("group"), topic.consumer("group")
    settle(one, two)
    assert not one.owned & two.owned
    assert len(one.owned | two.owned) == PARTITIONS
    assert (one.classic, two.classic) == (True, True)


def test_a_group_continues_from_its_commit_by_the_classic_protocol(topic: KafkaTopic) -> None:
    producer, consumer = topic.producer(), topic.consumer("group")
    send(producer, "done 1", "done 2", "done 3")
    consumer.commit(finished(take(consumer, 3)))
    consumer.close()
    keys = send(producer, "begun 1", "begun 2")
    again = topic.consumer("group")
    assert sorted_keys(take(again, 2)) == keys
    assert again.lag() == 2
