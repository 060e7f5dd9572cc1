"""Which records the SQLite topic keeps, and for which groups."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from embark.topic import FillTopic
from embark.topic.sqlite.adapter import SqliteTopic
from embark_testing.contracts.records import finished, send, sorted_keys, take
from embark_testing.fake_clock import FakeClock


def records_in(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM topic_records").fetchone()[0])


def test_a_late_commit_of_an_earlier_offset_changes_nothing(topic: FillTopic) -> None:
    consumer, _ = topic.consumer("group"), topic.consumer("a group that retains the records")
    send(topic.producer(), "key", "key", "key")
    records = take(consumer, 3)
    consumer.commit(finished(records))
    consumer.commit(finished(records[:1]))
    assert consumer.lag() == 0


def test_the_file_keeps_no_record_that_every_group_has_committed(topic: FillTopic, path: Path) -> None:
    producer, slow, fast = topic.producer(), topic.consumer("slow"), topic.consumer("fast")
    send(producer, *(f"key {i}" for i in range(20)))
    fast.commit(finished(take(fast, 20)))
    assert records_in(path) == 20
    records = take(slow, 20)
    one = [record for record in records if record.partition == records[0].partition]
    slow.commit(finished(one))
    assert records_in(path) == 20 - len(one)
    slow.commit(finished(records))
    assert records_in(path) == 0


def test_an_abandoned_group_does_not_keep_records_for_ever(path: Path) -> None:
    clock = FakeClock()
    topic = SqliteTopic(path, 1, clock=clock)
    producer, abandoned, group = topic.producer(), topic.consumer("abandoned"), topic.consumer("group")
    send(producer, "old 1", "old 2")
    group.commit(finished(take(group, 2)))
    assert records_in(path) == 2
    clock.advance(timedelta(days=7, microseconds=1))
    send(producer, "new")
    group.commit(finished(take(group, 1)))
    assert records_in(path) == 1
    assert abandoned.lag() == 1
    assert sorted_keys(take(abandoned, 1)) == [b"new"]
    topic.close()


def test_a_smaller_or_larger_count_of_partitions_loses_no_record(path: Path) -> None:
    keys: list[bytes] = []
    for partitions in (4, 1, 9):
        topic = SqliteTopic(path, partitions)
        keys += send(topic.producer(), *(f"{partitions}: {i}" for i in range(12)))
        topic.consumer("group").close()
        topic.close()
    topic = SqliteTopic(path, 2)
    other, group = topic.consumer("other"), topic.consumer("group")
    other.commit(finished(take(other, 36)))
    assert records_in(path) == 36
    records = take(group, 36)
    assert sorted_keys(records) == sorted(keys)
    group.commit(finished(records))
    assert (records_in(path), group.lag()) == (0, 0)
    topic.close()
