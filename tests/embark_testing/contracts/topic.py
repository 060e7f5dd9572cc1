"""The contract of every topic; a subclass for each adapter provides the fixtures."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from zlib import crc32

import pytest

from embark.errors import ClosedError
from embark.topic import FillConsumer, FillTopic, Losses, Record
from embark_testing.contracts.records import (
    BRIEF,
    CAPACITY,
    NO_TIME,
    PARTITIONS,
    PATIENT,
    finished,
    send,
    sorted_keys,
    take,
    taking,
)
from embark_testing.eventually import eventually

Jam = Callable[[], AbstractContextManager[object]]


class TopicContract:
    """Needs the fixtures `topic` (empty, with PARTITIONS, its producers hold CAPACITY) and `jam`.

    `jam()` is a context in which the topic acknowledges no record that was produced in it, unless the topic holds
    CAPACITY records in all.
    """

    def settle(self, *consumers: FillConsumer) -> None:
        """Wait until the consumers of a group share its partitions and can poll all their records: at once, here."""

    def test_a_record_arrives_unchanged(self, topic: FillTopic) -> None:
        headers = {"traceparent": b"00-4bf9-01", "any bytes": bytes(range(256)), "empty": b""}
        producer, consumer = topic.producer(), topic.consumer("group")
        assert producer.produce("schlüssel".encode(), bytes(range(256)), headers)
        (record,) = take(consumer, 1)
        assert (record.key, record.value, record.headers) == ("schlüssel".encode(), bytes(range(256)), headers)
        assert record.partition == crc32("schlüssel".encode()) % PARTITIONS
        assert record.offset >= 0
        assert record.topic

    def test_records_of_a_key_arrive_in_order_from_one_partition(self, topic: FillTopic) -> None:
        producer = topic.producer()
        for i in range(40):
            assert producer.produce(f"key {i % 5}".encode(), str(i).encode(), {})
        records = take(topic.consumer("group"), 40, limit=7)
        assert len({record.partition for record in records}) > 1
        for key in {record.key for record in records}:
            same_key = [record for record in records if record.key == key]
            assert len({record.partition for record in same_key}) == 1
            assert [int(record.value) for record in same_key] == sorted(int(record.value) for record in same_key)
            assert [record.offset for record in same_key] == sorted({record.offset for record in same_key})

    def test_a_new_group_begins_at_the_oldest_record(self, topic: FillTopic) -> None:
        keys = send(topic.producer(), "a", "b", "c", "d")
        assert sorted_keys(take(topic.consumer("first"), 4)) == keys
        assert sorted_keys(take(topic.consumer("second"), 4)) == keys

    def test_a_poll_without_records_is_empty(self, topic: FillTopic) -> None:
        assert list(topic.consumer("group").poll(10, NO_TIME)) == []

    def test_a_record_wakes_a_waiting_poll(self, topic: FillTopic) -> None:
        producer = topic.producer()
        with taking(topic.consumer("group"), 10) as records:
            for i in range(10):
                send(producer, f"key {i}")
                eventually(lambda count=i + 1: len(records) == count, what="the poll returned")  # type: ignore[misc]
        assert [record.key for record in records] == [f"key {i}".encode() for i in range(10)]

    def test_a_group_continues_from_its_commit(self, topic: FillTopic) -> None:
        producer, consumer, _ = (
            topic.producer(),
            topic.consumer("group"),
            topic.consumer("a group that retains the records"),
        )
        send(producer, "done 1", "done 2", "done 3")
        consumer.commit(finished(take(consumer, 3)))
        keys = send(producer, "begun 1", "begun 2")
        assert sorted_keys(take(consumer, 2)) == keys
        consumer.close()
        again = topic.consumer("group")
        assert sorted_keys(take(again, 2)) == keys
        assert list(again.poll(10, NO_TIME)) == []

    def test_a_commit_of_one_group_does_not_move_another(self, topic: FillTopic) -> None:
        keys = send(topic.producer(), "a", "b", "c")
        slow, fast = topic.consumer("slow"), topic.consumer("fast")
        fast.commit(finished(take(fast, 3)))
        assert (slow.lag(), fast.lag()) == (3, 0)
        assert sorted_keys(take(slow, 3)) == keys

    def test_lag_counts_uncommitted_records(self, topic: FillTopic) -> None:
        producer, consumer = topic.producer(), topic.consumer("group")
        assert consumer.lag() == 0
        send(producer, *(f"key {i}" for i in range(10)))
        records = take(consumer, 10)
        assert consumer.lag() == 10
        first = [record for record in records if record.partition == records[0].partition]
        consumer.commit({first[0].partition: first[0].offset + 1})
        assert consumer.lag() == 9
        consumer.commit(finished(records))
        assert consumer.lag() == 0

    def test_a_paused_consumer_returns_nothing_until_it_resumes(self, topic: FillTopic) -> None:
        producer, consumer = topic.producer(), topic.consumer("group")
        keys = send(producer, "a", "b")
        witness = topic.consumer("witness")
        take(witness, 2)
        consumer.pause(True)  # noqa: FBT003 - as the protocol
        assert list(consumer.poll(10, NO_TIME)) == []
        assert consumer.lag() == 2
        consumer.pause(False)  # noqa: FBT003 - as the protocol
        assert sorted_keys(take(consumer, 2)) == keys

    def test_a_full_partition_does_not_starve_the_others(self, topic: FillTopic) -> None:
        producer = topic.producer()
        send(producer, *["busy"] * 30, *(f"key {i}" for i in range(19)))
        take(topic.consumer("witness"), 49)
        consumer = topic.consumer("group")
        self.settle(consumer)
        first = take(consumer, 20, limit=5)
        assert len({record.partition for record in first}) == PARTITIONS

    def test_offsets_keep_growing_after_records_are_committed(self, topic: FillTopic) -> None:
        producer, consumer = topic.producer(), topic.consumer("group")
        offsets = []
        for _ in range(5):
            send(producer, "key")
            (record,) = take(consumer, 1)
            consumer.commit(finished([record]))
            offsets.append(record.offset)
        assert offsets == sorted(set(offsets))

    def test_a_full_topic_sheds_at_once_and_delivers_what_it_accepted(self, topic: FillTopic, jam: Jam) -> None:
        consumer, producer = topic.consumer("group"), topic.producer()
        with jam():
            accepted = [i for i in range(CAPACITY + 5) if producer.produce(f"{i}".encode(), b"value", {})]
            assert accepted == list(range(CAPACITY))
            assert not producer.produce(b"one more", b"value", {})
            assert producer.losses() == Losses(shed=6)
        records = take(consumer, CAPACITY)
        assert sorted_keys(records) == sorted(str(i).encode() for i in accepted)
        consumer.commit(finished(records))
        assert producer.close(PATIENT) == 0

    def test_committed_records_make_room_for_new_ones(self, topic: FillTopic) -> None:
        consumer, producer = topic.consumer("group"), topic.producer()
        for attempt in range(4):
            send(producer, *(f"{attempt} {i}" for i in range(CAPACITY)))
            eventually(lambda: producer.pending() == 0, what="every record is acknowledged")
            consumer.commit(finished(take(consumer, CAPACITY)))
        assert consumer.lag() == 0

    def test_a_closed_producer_has_sent_everything_and_accepts_nothing(self, topic: FillTopic) -> None:
        producer = topic.producer()
        keys = send(producer, *(f"key {i}" for i in range(CAPACITY)))
        assert producer.close(PATIENT) == 0
        assert producer.pending() == 0
        assert not producer.produce(b"late", b"value", {})
        assert producer.close(NO_TIME) == 0
        assert producer.losses() == Losses()
        assert sorted_keys(take(topic.consumer("group"), CAPACITY)) == keys

    def test_many_threads_and_producers_neither_lose_nor_duplicate_records(self, topic: FillTopic) -> None:
        producers = [topic.producer(), topic.producer()]
        start = threading.Barrier(4)

        def run(number: int) -> None:
            start.wait()
            send(producers[number % 2], *(f"{number} {i}" for i in range(10)))

        threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        expected = sorted(f"{number} {i}".encode() for number in range(4) for i in range(10))
        assert sorted_keys(take(topic.consumer("group"), 40)) == expected

    def test_two_consumers_of_a_group_share_the_records(self, topic: FillTopic) -> None:
        one, two = topic.consumer("group"), topic.consumer("group")
        self.settle(one, two)
        keys = send(topic.producer(), *(f"key {i}" for i in range(20)))
        take(topic.consumer("witness"), 20)
        seen: list[Record] = []
        while len(seen) < 20 and (more := [*one.poll(5, BRIEF), *two.poll(5, BRIEF)]):
            seen += more
        assert sorted_keys(seen) == keys

    def test_the_newest_dead_letters_are_read_oldest_first(self, topic: FillTopic) -> None:
        letters = topic.dead_letters()
        assert list(letters.read()) == []
        for i in range(7):
            letters.append(f"key {i}".encode(), f"cause {i}".encode())
        newest = [(record.key, record.value) for record in topic.dead_letters().read(3)]
        assert newest == [(f"key {i}".encode(), f"cause {i}".encode()) for i in (4, 5, 6)]
        assert len(letters.read()) == 7

    def test_dead_letters_are_not_consumed_as_fills(self, topic: FillTopic) -> None:
        topic.dead_letters().append(b"dead", b"cause")
        consumer = topic.consumer("group")
        send(topic.producer(), "alive")
        assert sorted_keys(take(consumer, 1)) == [b"alive"]
        assert consumer.lag() == 1

    def test_a_closed_topic_rejects_calls_and_may_be_closed_twice(self, topic: FillTopic) -> None:
        producer, consumer, letters = topic.producer(), topic.consumer("group"), topic.dead_letters()
        topic.close()
        topic.close()
        assert not producer.produce(b"late", b"value", {})
        with pytest.raises(ClosedError):
            consumer.poll(1, NO_TIME)
        with pytest.raises(ClosedError):
            consumer.commit({0: 1})
        with pytest.raises(ClosedError):
            consumer.lag()
        with pytest.raises(ClosedError):
            letters.append(b"key", b"value")
        with pytest.raises(ClosedError):
            letters.read()
        with pytest.raises(ClosedError):
            topic.consumer("group")
        with pytest.raises(ClosedError):
            topic.producer()

    def test_a_closed_consumer_rejects_calls_and_may_be_closed_twice(self, topic: FillTopic) -> None:
        consumer = topic.consumer("group")
        consumer.close()
        consumer.close()
        with pytest.raises(ClosedError):
            consumer.poll(1, NO_TIME)
        assert topic.consumer("group").lag() == 0
