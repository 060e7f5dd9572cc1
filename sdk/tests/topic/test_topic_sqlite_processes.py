"""The SQLite topic between processes: one that is killed, one that writes while another reads, one on a full disk."""

from pathlib import Path

from embark.topic.sqlite.adapter import SqliteTopic
from embark_testing.contracts.records import NO_TIME, PARTITIONS, finished, sorted_keys, take, taking
from embark_testing.deployments.killed_child import child
from embark_testing.eventually import eventually

PRODUCE = """
    import itertools, sys
    from pathlib import Path
    from embark.topic.sqlite.adapter import SqliteTopic
    topic = SqliteTopic(Path(sys.argv[1]), 4)
    producer = topic.producer()
    for i in itertools.count():
        assert producer.produce(f"key {i}".encode(), b"value", {})
        while producer.pending():
            pass
        print(f"key {i}", flush=True)
        if i + 1 == int(sys.argv[2]):
            sys.stdin.read()
"""
CONSUME = """
    import sys
    from datetime import timedelta
    from pathlib import Path
    from embark.topic.sqlite.adapter import SqliteTopic
    topic = SqliteTopic(Path(sys.argv[1]), 4)
    topic.dead_letters().append(b"dead", b"cause")
    consumer = topic.consumer("group")
    while True:
        for record in consumer.poll(1, timedelta(seconds=20)):
            consumer.commit({record.partition: record.offset + 1})
            print(record.key.decode(), flush=True)
"""
# A limit of the file size stands for a full disk: both fail a write with an error other than "locked".
FULL_DISK = """
    import logging, resource, signal, sys, threading
    from pathlib import Path
    from embark.topic.sqlite.adapter import SqliteTopic
    warned = threading.Event()
    logging.getLogger("embark.topic.sqlite.producer").addFilter(lambda _: warned.set())
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    topic = SqliteTopic(Path(sys.argv[1]), 4, capacity=50)
    producer, consumer = topic.producer(), topic.consumer("group")
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    accepted = sum(producer.produce(f"key {i}".encode(), bytes(1000), {}) for i in range(60))
    print(warned.wait(20), accepted, producer.pending(), flush=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    while producer.pending():
        pass
    print(consumer.lag(), flush=True)
"""


def test_acknowledged_records_survive_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "embark.db"
    with child(PRODUCE, path, 0) as (_, lines):
        acknowledged = [next(lines).encode() for _ in range(40)]
    topic = SqliteTopic(path, PARTITIONS)
    consumer = topic.consumer("group")
    records = take(consumer, consumer.lag())
    topic.close()
    assert set(sorted_keys(records)) >= set(acknowledged)
    assert len(records) == len(set(sorted_keys(records)))


def test_commits_and_dead_letters_survive_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "embark.db"
    topic = SqliteTopic(path, PARTITIONS)
    producer = topic.producer()
    assert all(producer.produce(f"key {i}".encode(), b"value", {}) for i in range(30))
    with child(CONSUME, path) as (_, lines):
        committed = {next(lines).encode() for _ in range(20)}
    consumer = topic.consumer("group")
    left = take(consumer, consumer.lag())
    letters = [record.key for record in topic.dead_letters().read()]
    topic.close()
    assert len(left) <= 10
    assert committed.isdisjoint(sorted_keys(left))
    assert letters == [b"dead"]


def test_records_of_another_process_are_found_by_a_recheck(tmp_path: Path) -> None:
    path = tmp_path / "embark.db"
    topic = SqliteTopic(path, PARTITIONS)
    consumer = topic.consumer("group")
    with taking(consumer, 5) as records, child(PRODUCE, path, 5):
        eventually(lambda: len(records) == 5, what="the records of the other process arrived")
    consumer.commit(finished(records))
    assert list(consumer.poll(1, NO_TIME)) == []
    topic.close()


def test_a_full_disk_sheds_and_everything_accepted_is_delivered_once_there_is_room(tmp_path: Path) -> None:
    with child(FULL_DISK, tmp_path / "embark.db") as (_, lines):
        assert next(lines) == "True 50 50"
        assert next(lines) == "50"
