"""Producing and consuming records in the tests of topics."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from embark.topic import FillConsumer, FillProducer, Record

PARTITIONS = 4
CAPACITY = 50
NO_TIME = timedelta(0)
PATIENT = timedelta(seconds=20)
BRIEF = timedelta(seconds=1)
FOR_EVER = timedelta(days=1)


def take(consumer: FillConsumer, count: int, limit: int = 100) -> list[Record]:
    """Poll until `count` records arrive; fail if more arrive, or none for a long time."""
    records: list[Record] = []
    while len(records) < count:
        polled = consumer.poll(limit, PATIENT)
        assert polled, f"only {len(records)} of {count} records arrived"
        assert len(polled) <= limit
        records += polled
    assert len(records) == count
    return records


def finished(records: Sequence[Record]) -> dict[int, int]:
    """Return the offsets to commit once all these records are finished."""
    return {record.partition: record.offset + 1 for record in sorted(records, key=lambda record: record.offset)}


@contextmanager
def taking(consumer: FillConsumer, count: int) -> Iterator[list[Record]]:
    """Poll for `count` records in a thread, with polls that never time out, and yield the list that receives them."""
    records: list[Record] = []

    def run() -> None:
        while len(records) < count:
            records.extend(consumer.poll(1, FOR_EVER))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield records
    thread.join()


def sorted_keys(records: Sequence[Record]) -> list[bytes]:
    return sorted(record.key for record in records)


def send(producer: FillProducer, *keys: str) -> list[bytes]:
    """Produce a record for each key; return the keys as sorted_keys does."""
    assert all(producer.produce(key.encode(), b"value of " + key.encode(), {}) for key in keys)
    return sorted(key.encode() for key in keys)
