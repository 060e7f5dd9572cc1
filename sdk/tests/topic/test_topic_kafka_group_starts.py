"""Where a consumer group starts, and how it is dropped, on brokers of both group protocols."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from embark.errors import UnavailableError
from embark.settings import TopicSettings
from embark.topic.kafka.adapter import KafkaTopic
from embark.topic.kafka.groups import drop_group, start_at_end
from embark.topic.kafka.schema import ensure_topics
from embark_testing.contracts.records import CAPACITY, NO_TIME, PARTITIONS, finished, send, sorted_keys, take
from embark_testing.deployments.group_contents import list_groups, read_commits
from embark_testing.deployments.kafka_topics import settle, topic_settings
from embark_testing.eventually import eventually
from embark_testing.servers.free_ports import free_ports
from embark_testing.servers.kafka_server import KafkaServer, kafka_server

pytestmark = pytest.mark.integration
SHORT = timedelta(seconds=2)


@pytest.fixture(scope="module", params=["consumer", "classic"])
def bootstrap(
    request: pytest.FixtureRequest, kafka: KafkaServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    if request.param == "consumer":
        yield kafka.bootstrap
        return
    properties = {"group.coordinator.rebalance.protocols": "classic"}
    with kafka_server(tmp_path_factory.mktemp("classic"), properties=properties) as server:
        yield server.bootstrap


@pytest.fixture
def settings(bootstrap: str) -> TopicSettings:
    settings = topic_settings(bootstrap)
    ensure_topics(settings)
    return settings


@pytest.fixture
def topic(settings: TopicSettings) -> Iterator[KafkaTopic]:
    topic = KafkaTopic(settings, capacity=CAPACITY)
    yield topic
    topic.close()


@pytest.fixture
def group() -> str:
    return f"group.{uuid4().hex[:12]}"


def test_a_group_that_starts_at_the_end_gets_only_later_records(
    settings: TopicSettings, topic: KafkaTopic, group: str
) -> None:
    producer = topic.producer()
    send(producer, *(f"old {i}" for i in range(20)))
    take(topic.consumer("witness"), 20)
    assert start_at_end(settings, group) is True
    assert sum(read_commits(settings, group).values()) == 20
    new = send(producer, *(f"new {i}" for i in range(20)))
    consumer = topic.consumer(group)
    assert sorted_keys(take(consumer, 20)) == new
    assert consumer.lag() == 20
    assert consumer.poll(1, NO_TIME) == []


def test_a_group_that_starts_at_the_offsets_of_another_gets_what_that_one_has_not_finished(
    settings: TopicSettings, topic: KafkaTopic, group: str
) -> None:
    producer, other = topic.producer(), topic.consumer(f"{group}.other")
    send(producer, *(f"done {i}" for i in range(10)))
    other.commit(finished(take(other, 10)))
    other.close()
    waiting = send(producer, *(f"waits {i}" for i in range(10)))
    assert start_at_end(settings, group, offsets_of=f"{group}.other") is True
    new = send(producer, *(f"new {i}" for i in range(5)))
    consumer = topic.consumer(group)
    assert sorted(sorted_keys(take(consumer, 15))) == sorted([*waiting, *new])
    assert consumer.poll(1, NO_TIME) == []


def test_a_group_that_starts_at_the_offsets_of_one_without_commits_gets_every_record(
    settings: TopicSettings, topic: KafkaTopic, group: str
) -> None:
    sent = send(topic.producer(), *(f"waits {i}" for i in range(10)))
    assert start_at_end(settings, group, offsets_of=f"{group}.other") is True
    assert sorted(sorted_keys(take(topic.consumer(group), 10))) == sorted(sent)


@pytest.mark.parametrize("call", [start_at_end, drop_group])
def test_a_broker_without_any_group_yet_is_awaited(
    tmp_path: Path, kafka: KafkaServer, call: Callable[[TopicSettings, str], bool]
) -> None:
    # In a separate process: librdkafka once killed the process of a request that came too early.
    del kafka
    code = "import sys; from embark.settings import TopicSettings; from embark.topic.kafka.groups import *"
    code += f"; sys.exit(10 + {call.__name__}(TopicSettings.model_validate_json(sys.argv[1]), 'group'))"
    with kafka_server(tmp_path) as server:
        settings = topic_settings(server.bootstrap)
        ensure_topics(settings)
        result = subprocess.run([sys.executable, "-c", code, settings.model_dump_json(by_alias=True)], check=False)
    assert result.returncode == 10 + (call is start_at_end)


def test_every_partition_of_an_empty_topic_gets_a_commit(settings: TopicSettings, group: str) -> None:
    assert start_at_end(settings, group) is True
    assert read_commits(settings, group) == dict.fromkeys(range(PARTITIONS), 0)


def test_a_started_group_is_not_moved_by_starting_it_again(
    settings: TopicSettings, topic: KafkaTopic, group: str
) -> None:
    assert start_at_end(settings, group) is True
    new = send(topic.producer(), *(f"new {i}" for i in range(20)))
    take(topic.consumer("witness"), 20)
    assert start_at_end(settings, group) is False
    assert sorted_keys(take(topic.consumer(group), 20)) == new


def test_a_group_that_has_committed_in_only_one_partition_is_not_moved(
    settings: TopicSettings, topic: KafkaTopic, group: str
) -> None:
    keys = send(topic.producer(), *(f"key {i}" for i in range(20)))
    consumer = topic.consumer(group)
    first, *_ = take(consumer, 20)
    consumer.commit(finished([first]))
    consumer.close()
    assert start_at_end(settings, group) is False
    again = take(topic.consumer(group), 19)
    assert sorted([*sorted_keys(again), first.key]) == sorted(keys)


def test_a_group_with_members_but_without_commits_is_not_moved(
    settings: TopicSettings, topic: KafkaTopic, group: str
) -> None:
    keys = send(topic.producer(), *(f"key {i}" for i in range(20)))
    consumer = topic.consumer(group)
    settle(consumer)
    assert start_at_end(settings, group) is False
    assert read_commits(settings, group) == {}
    assert sorted_keys(take(consumer, 20)) == keys


def test_concurrent_starts_lose_no_later_record(settings: TopicSettings, topic: KafkaTopic, group: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        starts = [threads.submit(start_at_end, settings, group) for _ in range(4)]
        assert True in [start.result() for start in starts]
    new = send(topic.producer(), *(f"new {i}" for i in range(20)))
    assert sorted_keys(take(topic.consumer(group), 20)) == new


def test_every_record_of_partitions_added_later_is_read(settings: TopicSettings, topic: KafkaTopic, group: str) -> None:
    assert start_at_end(settings, group) is True
    more = settings.kafka.model_copy(update={"partitions": PARTITIONS + 3})
    grown = settings.model_copy(update={"kafka": more})
    ensure_topics(grown)
    wider = KafkaTopic(grown, capacity=CAPACITY)
    new = send(wider.producer(), *(f"new {i}" for i in range(40)))
    assert start_at_end(grown, group) is False
    records = take(topic.consumer(group), 40)
    assert sorted_keys(records) == new
    assert {record.partition for record in records} & set(range(PARTITIONS, PARTITIONS + 3))
    wider.close()


def test_a_dropped_group_loses_its_commits(settings: TopicSettings, topic: KafkaTopic, group: str) -> None:
    send(topic.producer(), *(f"key {i}" for i in range(20)))
    consumer = topic.consumer(group)
    consumer.commit(finished(take(consumer, 20)))
    consumer.close()
    assert group in list_groups(settings)
    assert drop_group(settings, group) is True
    assert group not in list_groups(settings)
    assert read_commits(settings, group) == {}
    assert drop_group(settings, group) is False


def test_a_group_that_never_had_a_member_is_dropped(settings: TopicSettings, group: str) -> None:
    assert start_at_end(settings, group) is True
    assert drop_group(settings, group) is True
    assert group not in list_groups(settings)
    assert start_at_end(settings, group) is True


def test_a_group_is_dropped_once_its_last_member_has_left(
    settings: TopicSettings, topic: KafkaTopic, group: str
) -> None:
    consumer = topic.consumer(group)
    settle(consumer)
    with ThreadPoolExecutor(1) as threads:
        dropping = threads.submit(drop_group, settings, group)
        for _ in range(5):
            consumer.poll(1, NO_TIME)
        assert not dropping.done()
        consumer.close()
        assert dropping.result() is True
    assert group not in list_groups(settings)


def test_a_group_whose_members_stay_is_kept_and_named(settings: TopicSettings, topic: KafkaTopic, group: str) -> None:
    consumer = topic.consumer(group)
    settle(consumer)
    with pytest.raises(UnavailableError, match=f"group {group} of {settings.fills} still has members"):
        drop_group(settings, group, timeout=SHORT)
    assert group in list_groups(settings)
    keys = send(topic.producer(), "key")
    assert sorted_keys(take(consumer, 1)) == keys


@pytest.mark.parametrize("call", [start_at_end, drop_group])
def test_a_broker_that_does_not_answer_is_named_with_group_and_topic(settings: TopicSettings, call: object) -> None:
    [port] = free_ports("127.0.0.1", 1)
    unreachable = settings.kafka.model_copy(update={"bootstrap_servers": (f"127.0.0.1:{port}",)})
    other = settings.model_copy(update={"kafka": unreachable})
    with pytest.raises(UnavailableError, match=f"group g of {settings.fills}: .*127.0.0.1:{port}"):
        call(other, "g", timeout=SHORT)  # type: ignore[operator]


def test_a_missing_topic_is_named(settings: TopicSettings, group: str) -> None:
    other = settings.model_copy(update={"fills": f"{settings.fills}.other"})
    with pytest.raises(UnavailableError, match=f"group {group} of {other.fills}: .*[Uu]nknown topic"):
        start_at_end(other, group)
    eventually(lambda: group not in list_groups(settings), what="no group was created")
