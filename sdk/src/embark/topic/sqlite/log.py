"""The log of a topic in SQLite: records, ends of partitions and commits of groups.

Every function works on a given connection; a function that changes anything needs a transaction.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from zlib import crc32

from embark.clock import Micros
from embark.topic.records import Record

TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS topic_partitions (
        topic TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL,
        PRIMARY KEY (topic, partition)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS topic_records (
        topic TEXT NOT NULL, partition INTEGER NOT NULL, record_offset INTEGER NOT NULL, appended_at INTEGER NOT NULL,
        key BLOB NOT NULL, value BLOB NOT NULL, headers TEXT NOT NULL,
        PRIMARY KEY (topic, partition, record_offset)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS topic_commits (
        topic TEXT NOT NULL, consumer_group TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL,
        PRIMARY KEY (topic, consumer_group, partition)) WITHOUT ROWID""",
)


@dataclass(frozen=True, slots=True)
class Unsent:
    """A record that has no offset yet."""

    partition: int
    key: bytes
    value: bytes
    headers: Mapping[str, bytes]


def choose_partition(key: bytes, partitions: int) -> int:
    """Return the partition of a key: crc32, as librdkafka's `consistent` partitioner."""
    return crc32(key) % partitions


def ensure_partitions(connection: sqlite3.Connection, topic: str, partitions: int) -> None:
    """Create the missing partitions; those of an earlier, larger count stay and are still consumed."""
    connection.executemany(
        "INSERT OR IGNORE INTO topic_partitions VALUES (?, ?, 0)", [(topic, number) for number in range(partitions)]
    )
    # An existing group has committed nothing of a new partition: its records wait for the group too.
    connection.execute(
        """INSERT OR IGNORE INTO topic_commits
        SELECT DISTINCT topic, c.consumer_group, p.partition, 0
        FROM topic_commits AS c JOIN topic_partitions AS p USING (topic) WHERE topic = ?""",
        (topic,),
    )


def ends(connection: sqlite3.Connection, topic: str) -> dict[int, int]:
    """Return, by partition, the offset of its next record."""
    return dict(connection.execute("SELECT partition, next_offset FROM topic_partitions WHERE topic = ?", (topic,)))


def append(connection: sqlite3.Connection, topic: str, records: Sequence[Unsent], at: Micros) -> None:
    """Append records in order, each at the end of its partition."""
    next_offsets, rows = ends(connection, topic), []
    for record in records:
        offset = next_offsets[record.partition]
        next_offsets[record.partition] = offset + 1
        # Latin-1 maps every byte to one character and back, so any header is text.
        headers = json.dumps({name: value.decode("latin-1") for name, value in record.headers.items()})
        rows.append((topic, record.partition, offset, at, record.key, record.value, headers))
    connection.executemany("INSERT INTO topic_records VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    connection.executemany(
        "UPDATE topic_partitions SET next_offset = ? WHERE topic = ? AND partition = ?",
        [(offset, topic, partition) for partition, offset in next_offsets.items()],
    )


def read(connection: sqlite3.Connection, topic: str, partition: int, offset: int, limit: int) -> list[Record]:
    """Return up to `limit` records of a partition starting at `offset`."""
    found = connection.execute(
        """SELECT topic, partition, record_offset, key, value, headers FROM topic_records
        WHERE topic = ? AND partition = ? AND record_offset >= ? ORDER BY record_offset LIMIT ?""",
        (topic, partition, offset, limit),
    )
    return [_record(columns) for columns in found]


def read_newest(connection: sqlite3.Connection, topic: str, partition: int, limit: int) -> list[Record]:
    """Return the newest `limit` records of a partition, oldest first."""
    found = connection.execute(
        """SELECT topic, partition, record_offset, key, value, headers FROM topic_records
        WHERE topic = ? AND partition = ? ORDER BY record_offset DESC LIMIT ?""",
        (topic, partition, limit),
    )
    return [_record(columns) for columns in found][::-1]


def join_group(connection: sqlite3.Connection, topic: str, group: str) -> dict[int, int]:
    """Return, by partition, the offset from which the group continues; a new group starts at the oldest record."""
    starts = [(topic, group, partition, oldest) for partition, oldest in _oldest(connection, topic).items()]
    connection.executemany("INSERT OR IGNORE INTO topic_commits VALUES (?, ?, ?, ?)", starts)
    return _commits(connection, topic, group)


def start_at_offsets(connection: sqlite3.Connection, topic: str, group: str, other: str) -> None:
    """Start a group without commits at the offsets of `other`; without commits of `other` nothing changes."""
    connection.execute(
        """INSERT OR IGNORE INTO topic_commits
        SELECT topic, ?3, partition, next_offset FROM topic_commits
        WHERE topic = ?1 AND consumer_group = ?2
            AND NOT EXISTS (SELECT 1 FROM topic_commits WHERE topic = ?1 AND consumer_group = ?3)""",
        (topic, other, group),
    )


def drop_group(connection: sqlite3.Connection, topic: str, group: str) -> None:
    """Delete the commits of a group; its records are deleted with the next commit of another group."""
    connection.execute("DELETE FROM topic_commits WHERE topic = ? AND consumer_group = ?", (topic, group))


def commit(connection: sqlite3.Connection, topic: str, group: str, offsets: Mapping[int, int]) -> None:
    """Store offsets of a group; an offset below the stored one changes nothing."""
    connection.executemany(
        """UPDATE topic_commits SET next_offset = max(next_offset, ?)
        WHERE topic = ? AND consumer_group = ? AND partition = ?""",
        [(offset, topic, group, partition) for partition, offset in offsets.items()],
    )


def drop_finished(connection: sqlite3.Connection, topic: str, partition: int, older_than: Micros) -> None:
    """Delete the partition's records that every group has committed, and those appended before `older_than`."""
    connection.execute(
        """DELETE FROM topic_records WHERE topic = ?1 AND partition = ?2 AND record_offset < max(
            (SELECT min(next_offset) FROM topic_commits WHERE topic = ?1 AND partition = ?2),
            coalesce(
                (SELECT record_offset FROM topic_records WHERE topic = ?1 AND partition = ?2 AND appended_at >= ?3
                 ORDER BY record_offset LIMIT 1),
                (SELECT next_offset FROM topic_partitions WHERE topic = ?1 AND partition = ?2)))""",
        (topic, partition, older_than),
    )


def lag(connection: sqlite3.Connection, topic: str, group: str) -> int:
    """Return how many records the group has not committed; records deleted for their age are not counted."""
    oldest, commits = _oldest(connection, topic), _commits(connection, topic, group)
    return sum(
        max(0, end - max(oldest[partition], commits.get(partition, 0)))
        for partition, end in ends(connection, topic).items()
    )


def _oldest(connection: sqlite3.Connection, topic: str) -> dict[int, int]:
    """Return, by partition, the offset of its oldest record, or of its next one if it has none."""
    first = """SELECT partition, coalesce((
            SELECT record_offset FROM topic_records AS r WHERE r.topic = p.topic AND r.partition = p.partition
            ORDER BY record_offset LIMIT 1), next_offset)
        FROM topic_partitions AS p WHERE topic = ?"""
    return dict(connection.execute(first, (topic,)))


def _commits(connection: sqlite3.Connection, topic: str, group: str) -> dict[int, int]:
    query = "SELECT partition, next_offset FROM topic_commits WHERE topic = ? AND consumer_group = ?"
    return defaultdict(int, connection.execute(query, (topic, group)))


def _record(columns: tuple[str, int, int, bytes, bytes, str]) -> Record:
    topic, partition, offset, key, value, headers = columns
    named = {name: text.encode("latin-1") for name, text in json.loads(headers).items()}
    return Record(topic, partition, offset, key, value, named)
