"""The groups of the SQLite topic that a rollout starts and drops."""

import sqlite3
from contextlib import closing
from pathlib import Path

from embark.topic.sqlite.adapter import SqliteTopic
from embark_testing.contracts.records import NO_TIME, finished, send, sorted_keys, take


def test_a_group_that_starts_at_the_offsets_of_another_gets_what_that_one_has_not_finished(topic: SqliteTopic) -> None:
    producer, first = topic.producer(), topic.consumer("first")
    send(producer, "a", "b")
    first.commit(finished(take(first, 2)))
    waiting = send(producer, "c")
    take(first, 1)
    topic.start_at_offsets("second", "first")
    later = send(producer, "d")
    assert sorted_keys(take(topic.consumer("second"), 2)) == sorted(waiting + later)


def test_a_started_group_is_not_moved_by_starting_it_again(topic: SqliteTopic) -> None:
    producer, first = topic.producer(), topic.consumer("first")
    topic.start_at_offsets("second", "first")
    keys = send(producer, "a", "b", "c")
    first.commit(finished(take(first, 3)))
    topic.start_at_offsets("second", "first")
    assert topic.lag("second") == 3
    assert sorted_keys(take(topic.consumer("second"), 3)) == keys


def test_a_dropped_group_starts_over_and_no_record_is_kept_for_it(topic: SqliteTopic, path: Path) -> None:
    producer, first = topic.producer(), topic.consumer("first")
    topic.consumer("second")
    send(producer, "a", "b")
    topic.drop_group("second")
    topic.drop_group("missing")
    first.commit(finished(take(first, 2)))
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT count(*) FROM topic_records").fetchone() == (0,)
    assert list(topic.consumer("second").poll(10, NO_TIME)) == []
    assert topic.lag("first") == 0
