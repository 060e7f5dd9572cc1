"""Members of a consumer group that join, leave and pause, on a real broker."""

from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from embark.topic import Record
from embark.topic.kafka.adapter import KafkaTopic
from embark.topic.kafka.consumer import KafkaConsumer
from embark.topic.kafka.limits import KafkaLimits
from embark_testing.contracts.records import CAPACITY, NO_TIME, PARTITIONS, finished, send, sorted_keys, take
from embark_testing.deployments.kafka_topics import fresh_topic, settle
from embark_testing.eventually import eventually
from embark_testing.servers.kafka_server import KafkaServer

pytestmark = pytest.mark.integration


@pytest.fixture
def topic(kafka: KafkaServer) -> Iterator[KafkaTopic]:
    with fresh_topic(kafka.bootstrap) as topic:
        yield topic


@pytest.fixture
def narrow(kafka: KafkaServer) -> Iterator[KafkaTopic]:
    """A topic whose consumers hold only eight records."""
    with fresh_topic(kafka.bootstrap, limits=KafkaLimits(max_held=8)) as topic:
        yield topic


def drain(count: int, *consumers: KafkaConsumer) -> list[Record]:
    """Poll the members in turn until they have returned `count` records."""
    records: list[Record] = []

    def polled() -> bool:
        for consumer in consumers:
            records.extend(consumer.poll(10, NO_TIME))
        return len(records) >= count

    eventually(polled, 60, what=f"{count} records arrived")
    return records


def select(partitions: frozenset[int], records: Sequence[Record]) -> list[Record]:
    return [record for record in records if record.partition in partitions]


def test_a_new_member_continues_from_the_commits_of_the_others(topic: KafkaTopic) -> None:
    one = topic.consumer("group")
    keys = send(topic.producer(), *(f"key {i}" for i in range(40)))
    records = take(one, 40)
    begun = [record for record in records if record.offset >= 4]
    one.commit(finished([record for record in records if record.offset < 4]))
    two = topic.consumer("group")
    settle_shares(one, two)
    again = drain(len(select(two.owned, begun)), two)
    assert sorted_keys(again) == sorted_keys(select(two.owned, begun))
    one.commit(finished(select(one.owned, records)))
    two.commit(finished(again))
    assert one.refused == 0
    assert sorted_keys([*select(one.owned, records), *select(two.owned, records)]) == keys
    one.close()
    two.close()
    assert topic.consumer("group").lag() == 0


def test_a_member_owns_no_partition_before_its_first_poll(topic: KafkaTopic) -> None:
    assert topic.consumer("group").lag() == 0
    keys = send(topic.producer(), *(f"key {i}" for i in range(20)))
    assert sorted_keys(take(topic.consumer("group"), 20)) == keys


def test_a_member_does_not_commit_records_of_a_partition_that_it_lost(topic: KafkaTopic) -> None:
    one = topic.consumer("group")
    send(topic.producer(), *(f"key {i}" for i in range(40)))
    records = take(one, 40)
    two = topic.consumer("group")
    settle_shares(one, two)
    one.commit(finished(records))
    assert one.refused == len(two.owned)
    again = drain(len(select(two.owned, records)), two)
    assert sorted_keys(again) == sorted_keys(select(two.owned, records))
    one.close()
    two.close()
    assert topic.consumer("group").lag() == len(again)


def test_records_from_before_a_revocation_do_not_rewind_a_reassigned_partition(topic: KafkaTopic) -> None:
    producer, one = topic.producer(), topic.consumer("group")
    send(producer, *(f"key {i}" for i in range(40)))
    records = take(one, 40)
    two = topic.consumer("group")
    settle_shares(one, two)
    lent = two.owned
    two.commit(finished(drain(len(select(lent, records)), two)))
    two.close()
    eventually(
        lambda: not one.poll(1, NO_TIME) and len(one.owned) == PARTITIONS, 60, what="the partitions are assigned again"
    )
    send(producer, *(f"key {i}" for i in range(20)))
    more = take(one, 20)
    assert {record.partition for record in more} == one.owned
    one.commit(finished(select(lent, records)))
    assert one.refused == len(lent)
    one.commit(finished(more))
    one.close()
    assert topic.consumer("group").lag() == 0


def test_every_record_is_finished_at_least_once_while_members_join_and_leave(topic: KafkaTopic) -> None:
    producer = topic.producer()
    members = [topic.consumer("group")]
    seen: Counter[bytes] = Counter()
    for attempt in range(4):
        keys = send(producer, *(f"{attempt} {i}" for i in range(CAPACITY // 2)))

        def finish(keys: Sequence[bytes] = keys) -> bool:
            for member in members:
                records = member.poll(5, NO_TIME)
                seen.update(record.key for record in records)
                if records:
                    member.commit(finished(records))
            return all(seen[key] for key in keys) and producer.pending() == 0

        eventually(finish, 60, what="every record of the round is finished")
        if attempt < 2:
            members.append(topic.consumer("group"))
        else:
            members.pop(0).close()
    members.pop().close()
    assert len(seen) == 4 * (CAPACITY // 2)
    assert topic.consumer("group").lag() == 0


def test_partitions_assigned_to_a_paused_member_wait_too(topic: KafkaTopic) -> None:
    one, two = topic.consumer("group"), topic.consumer("group")
    settle(one, two)
    one.pause(True)  # noqa: FBT003 - as the protocol
    two.close()
    keys = send(topic.producer(), *(f"key {i}" for i in range(20)))

    def all_are_held() -> bool:
        assert list(one.poll(10, NO_TIME)) == []
        return one.held == len(keys)

    eventually(all_are_held, 60, what="the paused member owns every partition")
    one.pause(False)  # noqa: FBT003 - as the protocol
    assert sorted_keys(take(one, 20)) == keys


def test_a_long_pause_holds_few_records_and_returns_all_in_order_later(narrow: KafkaTopic) -> None:
    topic = narrow
    consumer = topic.consumer("group")
    keys = send(topic.producer(), *(f"key {i}" for i in range(CAPACITY)))
    take(topic.consumer("witness"), CAPACITY)
    consumer.pause(True)  # noqa: FBT003 - as the protocol
    eventually(lambda: not consumer.poll(1, NO_TIME) and consumer.held >= 8, 60, what="the consumer holds its limit")
    for _ in range(50):
        assert list(consumer.poll(1, NO_TIME)) == []
    assert consumer.held <= 8 + PARTITIONS
    consumer.pause(False)  # noqa: FBT003 - as the protocol
    records = take(consumer, CAPACITY)
    assert sorted_keys(records) == keys
    for partition in range(PARTITIONS):
        offsets = [record.offset for record in records if record.partition == partition]
        assert offsets == list(range(len(offsets)))


def test_a_partition_that_was_revoked_in_a_long_pause_is_not_stuck_when_reassigned(narrow: KafkaTopic) -> None:
    topic = narrow
    one = topic.consumer("group")
    keys = send(topic.producer(), *(f"key {i}" for i in range(CAPACITY)))
    one.pause(True)  # noqa: FBT003 - as the protocol
    eventually(lambda: not one.poll(1, NO_TIME) and one.held >= 8, 60, what="the consumer holds its limit")
    two = topic.consumer("group")
    settle_shares(one, two)
    two.close()
    eventually(
        lambda: not one.poll(1, NO_TIME) and len(one.owned) == PARTITIONS, 60, what="the partitions are assigned again"
    )
    one.pause(False)  # noqa: FBT003 - as the protocol
    assert sorted_keys(take(one, CAPACITY)) == keys


def settle_shares(*members: KafkaConsumer) -> None:
    """Poll until the members share all partitions; new members hold the records that arrive."""
    for member in members[1:]:
        member.pause(True)  # noqa: FBT003 - as the protocol

    def settled() -> bool:
        for member in members:
            assert list(member.poll(1, NO_TIME)) == []
        return all(member.owned for member in members) and sum(len(member.owned) for member in members) == PARTITIONS

    eventually(settled, 60, what="the members share the partitions")
    for member in members[1:]:
        member.pause(False)  # noqa: FBT003 - as the protocol
