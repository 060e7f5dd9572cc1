"""Checkpoints in Cassandra, in the keyspace of the embeddings.

    rollout_progress(space text, range_start bigint, range_end bigint, cursor bigint, done bigint, failed bigint,
                     PRIMARY KEY (space, range_start))

Every change is a lightweight transaction: a checkpoint never moves back, however late a process resumes, and a drop
stands against saves that come after it. Write timestamps derived from the progress would be cheaper, but a drop would
need a later one than any of them, and would then shadow the next rollout into the same space. A checkpoint is saved
only once in many rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Self

from cassandra import ConsistencyLevel

from embark.spec import Cassandra
from embark.store.cassandra.connection import CassandraConnection
from embark.store.cassandra.table import prepare
from embark.store.progress import PROGRESS_TABLE, RangeProgress
from embark.store.ranges import TokenRange

_LOAD: Final = "SELECT range_start, range_end, cursor, done, failed FROM {table} WHERE space = ?"
_INSERT: Final = """INSERT INTO {table} (space, range_start, range_end, cursor, done, failed)
    VALUES (?, ?, ?, ?, ?, ?) IF NOT EXISTS"""
# Not `<`: a save whose reply was lost is sent again.
_SAVE: Final = """UPDATE {table} SET cursor = ?, done = ?, failed = ? WHERE space = ? AND range_start = ?
    IF range_end = ? AND cursor <= ?"""
_DROP: Final = "DELETE FROM {table} WHERE space = ? AND range_start = ? IF EXISTS"


@dataclass(frozen=True, slots=True)
class CheckpointStatements:
    """The prepared statements; the comments give the parameters."""

    session: Any
    load: Any  # space
    insert: Any  # space, range_start, range_end, cursor, done, failed
    save: Any  # cursor, done, failed, space, range_start, range_end, cursor
    drop: Any  # space, range_start

    @classmethod
    def prepare(cls, session: Any, cassandra: Cassandra, space: str) -> Self:  # noqa: ARG003 - one table for all
        """Prepare the statements; raises the driver's errors."""
        table = f'"{cassandra.keyspace}".{PROGRESS_TABLE}'
        # A serial read also completes a transaction whose client got no reply.
        load = prepare(session, _LOAD.format(table=table), "LOCAL_SERIAL")
        insert, save, drop = (
            prepare(session, cql.format(table=table), cassandra.consistency.write.value)
            for cql in (_INSERT, _SAVE, _DROP)
        )
        for changed in (insert, save, drop):
            changed.serial_consistency_level = ConsistencyLevel.LOCAL_SERIAL
        return cls(session, load, insert, save, drop)


class CassandraCheckpoints:
    """Checkpoints in the keyspace of `connection`; thread-safe, and safe between processes."""

    def __init__(self, connection: CassandraConnection, timeout: timedelta) -> None:
        self._connection = connection
        self._timeout = timeout

    def save(self, space: str, progress: RangeProgress, *, first: bool = False) -> bool:
        """Store the progress of a range unless the stored one is further; only a `first` save creates one."""
        reached, token_range = (progress.cursor, progress.done, progress.failed), progress.token_range
        # Not applied: another process has created it, or this one has and got no reply.
        if first and self._change("insert", space, (space, token_range.start, token_range.end, *reached)):
            return True
        return self._change("save", space, (*reached, space, token_range.start, token_range.end, progress.cursor))

    def load(self, space: str) -> Sequence[RangeProgress]:
        """Return the progress of every range that has a checkpoint."""
        return [
            RangeProgress(TokenRange(start, end), cursor, done, failed)
            for start, end, cursor, done, failed in self._run("load", space, (space,))
        ]

    def drop(self, space: str) -> None:
        """Delete the checkpoints of the space one by one: transactions of one space would only queue up."""
        for progress in self.load(space):
            self._change("drop", space, (space, progress.token_range.start))

    def _change(self, statement: str, space: str, values: tuple[Any, ...]) -> bool:
        """Return whether the condition of the statement was met."""
        [(applied, *_)] = self._run(statement, space, values)
        return bool(applied)

    def _run(self, statement: str, space: str, values: tuple[Any, ...]) -> Sequence[Any]:
        statements, left = self._connection.prepared(CheckpointStatements, space, self._timeout)
        bound = getattr(statements, statement).bind(values)
        bound.fetch_size = None  # all ranges of a space in one page
        [rows] = self._connection.requests.run(statements.session, [bound], left)
        return rows
