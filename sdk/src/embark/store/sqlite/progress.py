"""Checkpoints in the SQLite file of the local mode; the SQLite store makes them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from embark.sqlite import SqliteFile
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
    """Checkpoints in a file whose tables ensure_space has made; thread-safe, and safe between processes."""

    def __init__(self, file: SqliteFile, patience: timedelta) -> None:
        self._file = file
        self._patience = patience

    def save(self, space: str, progress: RangeProgress, *, first: bool = False) -> bool:
        """Keep the progress of a range, unless what is kept is further; only the `first` begins one."""
        to, token_range = (progress.cursor, progress.done, progress.failed), progress.token_range
        with self._file.transaction(self._patience) as connection:
            if first and connection.execute(_INSERT, (space, token_range.start, token_range.end, *to)).rowcount == 1:
                return True
            kept = connection.execute(_SAVE, (*to, space, token_range.start, token_range.end, progress.cursor))
            return kept.rowcount == 1

    def load(self, space: str) -> Sequence[RangeProgress]:
        """Return the progress of every range that was begun."""
        with self._file.lend(self._patience) as connection:
            return [
                RangeProgress(TokenRange(start, end), cursor, done, failed)
                for start, end, cursor, done, failed in connection.execute(_LOAD, (space,))
            ]

    def drop(self, space: str) -> None:
        """Forget every range of the space."""
        with self._file.transaction(self._patience) as connection:
            connection.execute(_DROP, (space,))
