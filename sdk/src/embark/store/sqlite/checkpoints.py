"""Checkpoints in the SQLite file of the local mode."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from embark.sqlite_file import SqliteFile
from embark.store.progress import PROGRESS_TABLE, RangeProgress
from embark.store.ranges import TokenRange

CREATE_PROGRESS: Final = f"""
    CREATE TABLE IF NOT EXISTS {PROGRESS_TABLE} (
        space TEXT NOT NULL, range_start INTEGER NOT NULL, range_end INTEGER NOT NULL, cursor INTEGER NOT NULL,
        done INTEGER NOT NULL, failed INTEGER NOT NULL, PRIMARY KEY (space, range_start)) WITHOUT ROWID"""
_LOAD: Final = f"""
    SELECT range_start, range_end, cursor, done, failed FROM {PROGRESS_TABLE}
    WHERE space = ? ORDER BY range_start"""  # noqa: S608 - no input
_INSERT: Final = f"INSERT INTO {PROGRESS_TABLE} VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"  # noqa: S608 - no input
_SAVE: Final = f"""
    UPDATE {PROGRESS_TABLE} SET cursor = ?, done = ?, failed = ?
    WHERE space = ? AND range_start = ? AND range_end = ? AND cursor <= ?"""  # noqa: S608 - no input
_DROP: Final = f"DELETE FROM {PROGRESS_TABLE} WHERE space = ?"  # noqa: S608 - no input


class SqliteCheckpoints:
    """Checkpoints in a file whose tables ensure_space has created; thread-safe, and safe between processes."""

    def __init__(self, file: SqliteFile, timeout: timedelta) -> None:
        self._file = file
        self._timeout = timeout

    def save(self, space: str, progress: RangeProgress, *, first: bool = False) -> bool:
        """Store the progress of a range unless the stored one is further; only a `first` save creates one."""
        reached, token_range = (progress.cursor, progress.done, progress.failed), progress.token_range
        with self._file.transaction(self._timeout) as connection:
            if (
                first
                and connection.execute(_INSERT, (space, token_range.start, token_range.end, *reached)).rowcount == 1
            ):
                return True
            updated = connection.execute(_SAVE, (*reached, space, token_range.start, token_range.end, progress.cursor))
            return updated.rowcount == 1

    def load(self, space: str) -> Sequence[RangeProgress]:
        """Return the progress of every range that has a checkpoint."""
        with self._file.lend(self._timeout) as connection:
            return [
                RangeProgress(TokenRange(start, end), cursor, done, failed)
                for start, end, cursor, done, failed in connection.execute(_LOAD, (space,))
            ]

    def drop(self, space: str) -> None:
        """Delete the checkpoints of the space."""
        with self._file.transaction(self._timeout) as connection:
            connection.execute(_DROP, (space,))
