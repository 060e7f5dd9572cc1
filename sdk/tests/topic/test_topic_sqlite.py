import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from embark.errors import UnavailableError
from embark.store import Embedding
from embark.store.sqlite.adapter import SqliteStore
from embark.topic import FillTopic
from embark.topic.sqlite.adapter import SqliteTopic
from embark.topic.sqlite.limits import SqliteTopicLimits
from embark_testing.contracts.records import (
    CAPACITY,
    FOR_EVER,
    NO_TIME,
    PARTITIONS,
    PATIENT,
    finished,
    send,
    sorted_keys,
    take,
    taking,
)
from embark_testing.contracts.topic import Jam, TopicContract
from embark_testing.eventually import eventually
from embark_testing.fake_clock import FakeClock


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield


@pytest.fixture
def jam(path: Path) -> Jam:
    return lambda: locked(path)


class TestSqliteTopic(TopicContract):
    """The contract in a file."""

    @pytest.mark.xfail(strict=True, reason="the embedded topics deliver every record to each consumer of a group")
    def test_two_consumers_of_a_group_share_the_records(self, topic: FillTopic) -> None:
        super().test_two_consumers_of_a_group_share_the_records(topic)


def test_records_that_wait_for_a_locked_file_are_delivered_once_after_it_is_unlocked(
    topic: FillTopic, path: Path
) -> None:
    producer = topic.producer()
    with locked(path):
        keys = send(producer, *(f"key {i}" for i in range(10)))
        assert producer.pending() == 10
    eventually(lambda: producer.pending() == 0, what="every record is acknowledged")
    consumer = topic.consumer("group")
    assert sorted_keys(take(consumer, 10)) == keys
    assert consumer.lag() == 10


def test_records_being_appended_count_against_the_capacity(topic: SqliteTopic, path: Path) -> None:
    producer = topic.producer()
    with locked(path):
        send(producer, "a", "b", "c")
        eventually(lambda: not producer._queue, what="the thread has dequeued them")
        assert sum(producer.produce(b"key", b"", {}) for _ in range(CAPACITY)) == CAPACITY - 3


def test_a_producer_of_the_same_process_wakes_a_poll_without_a_recheck(path: Path) -> None:
    topic = SqliteTopic(path, PARTITIONS, limits=SqliteTopicLimits(recheck=FOR_EVER))
    producer = topic.producer()
    with taking(topic.consumer("group"), 10) as records:
        for i in range(10):
            send(producer, f"key {i}")
            eventually(lambda count=i + 1: len(records) == count, what="the poll returned")  # type: ignore[misc]
    assert len(records) == 10
    topic.close()


def test_records_that_were_never_appended_are_counted_as_lost(topic: FillTopic, path: Path) -> None:
    producer = topic.producer()
    with locked(path):
        send(producer, "a", "b", "c")
        assert producer.close(timedelta(milliseconds=20)) == 3
        assert not producer.produce(b"late", b"", {})
    assert list(topic.consumer("group").poll(10, NO_TIME)) == []


def test_a_consumer_reads_while_the_file_is_locked_and_its_commit_is_unavailable(
    path: Path,
) -> None:
    topic = SqliteTopic(path, PARTITIONS, limits=SqliteTopicLimits(timeout=timedelta(milliseconds=500)))
    producer = topic.producer()
    send(producer, "a")
    eventually(lambda: producer.pending() == 0, what="the record is in the file")
    consumer = topic.consumer("group")
    with locked(path):
        records = take(consumer, 1)
        with pytest.raises(UnavailableError, match="topic"):
            consumer.commit(finished(records))
    assert consumer.lag() == 1
    consumer.commit(finished(records))
    assert consumer.lag() == 0
    topic.close()


def test_records_commits_offsets_and_dead_letters_survive_a_reopening(path: Path) -> None:
    topic = SqliteTopic(path, PARTITIONS)
    send(topic.producer(), "done", "begun", "begun too")
    consumer = topic.consumer("group")
    records = {record.key: record for record in take(consumer, 3)}
    consumer.commit(finished([records[b"done"]]))
    topic.dead_letters().append(b"dead", b"cause")
    topic.close()

    again = SqliteTopic(path, PARTITIONS)
    consumer = again.consumer("group")
    left = [
        record for record in records.values() if record.offset >= 1 or record.partition != records[b"done"].partition
    ]
    assert consumer.lag() == len(left)
    assert sorted(take(consumer, len(left)), key=str) == sorted(left, key=str)
    assert [record.key for record in again.dead_letters().read()] == [b"dead"]
    again.close()


def test_closing_a_topic_appends_the_records_of_its_producers(path: Path) -> None:
    topic = SqliteTopic(path, PARTITIONS)
    keys = send(topic.producer(), *(f"key {i}" for i in range(500)))
    topic.close()
    again = SqliteTopic(path, PARTITIONS)
    assert sorted_keys(take(again.consumer("group"), 500)) == keys
    again.close()


def test_store_and_topic_work_in_one_file_at_once(topic: FillTopic, path: Path) -> None:
    store = SqliteStore(path, FakeClock())
    store.ensure_space("0123456789ab")
    producer, consumer = topic.producer(), topic.consumer("group")

    def write() -> None:
        for i in range(50):
            store.write("0123456789ab", [Embedding(f"key {i}", bytes(5120), i + 1)])

    writer = threading.Thread(target=write)
    writer.start()
    for i in range(50):
        send(producer, f"key {i}")
        consumer.commit(finished(take(consumer, 1)))
    writer.join()
    assert store.count("0123456789ab") == 50
    assert consumer.lag() == 0
    assert producer.close(PATIENT) == 0
    store.close()


def test_two_topics_of_one_file_are_isolated(topic: FillTopic, path: Path) -> None:
    other = SqliteTopic(path, 1, name="default.photos.fills")
    send(other.producer(), "other")
    other.dead_letters().append(b"dead", b"cause")
    (record,) = take(other.consumer("group"), 1)
    assert record.topic == "default.photos.fills"
    assert topic.consumer("group").lag() == 0
    assert list(topic.dead_letters().read()) == []
    other.close()


def test_a_file_that_cannot_be_created_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"topic: .*unable to open"):
        SqliteTopic(tmp_path / "no folder" / "embark.db", PARTITIONS)
