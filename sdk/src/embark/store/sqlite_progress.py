"""Checkpoints in the SQLite file of the local mode; the SQLite store makes them."""

import sqlite3
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from embark.sqlite import SqliteFile
from embark.store.progress import PROGRESS_TABLE, Progress, stored_progress
from embark.store.ranges import TokenRange

CREATE_PROGRESS: Final = f"""
    CREATE TABLE IF NOT EXISTS {PROGRESS_TABLE} (
        space TEXT NOT NULL, range_start INTEGER NOT NULL, range_end INTEGER NOT NULL, cursor INTEGER NOT NULL,
        done INTEGER NOT NULL, failed INTEGER NOT NULL, PRIMARY KEY (space, range_start)) WITHOUT ROWID"""
_LOAD: Final = f"""
    SELECT range_start, range_end, cursor, done, failed FROM {PROGRESS_TABLE}
    WHERE space = ? ORDER BY range_start"""  # noqa: S608 - no input
_INSERT: Final = f"INSERT INTO {PROGRESS_TABLE} VALUES (?, ?, ?, ?, 0, 0)"  # noqa: S608 - no input
_SAVE: Final = f"""
    UPDATE {PROGRESS_TABLE} SET cursor = ?, done = ?, failed = ?
    WHERE space = ? AND range_start = ? AND range_end = ? AND cursor <= ?"""  # noqa: S608 - no input
_DROP: Final = f"DELETE FROM {PROGRESS_TABLE} WHERE space = ?"  # noqa: S608 - no input


class SqliteCheckpoints:
    """Checkpoints in a file whose tables ensure_space has made; thread-safe, and safe between processes."""

    def __init__(self, file: SqliteFile, patience: timedelta) -> None:
        self._file = file
        self._patience = patience

    def begin(self, space: str, within: TokenRange) -> Progress:
        """Return the progress of a range, which begins at its start where there is none yet."""
        with self._file.transaction(self._patience) as connection:
            stored = stored_progress(_load(connection, space), space, within)
            if stored is not None:
                return stored
            connection.execute(_INSERT, (space, within.start, within.end, within.start))
            return Progress(within, within.start)

    def save(self, space: str, progress: Progress) -> bool:
        """Keep the progress of a range that was begun, unless what is kept is further."""
        to, within = (progress.cursor, progress.done, progress.failed), progress.within
        with self._file.transaction(self._patience) as connection:
            kept = connection.execute(_SAVE, (*to, space, within.start, within.end, progress.cursor))
            return kept.rowcount == 1

    def load(self, space: str) -> Sequence[Progress]:
        """Return the progress of every range that was begun."""
        with self._file.lend(self._patience) as connection:
            return _load(connection, space)

    def drop(self, space: str) -> None:
        """Forget every range of the space."""
        with self._file.transaction(self._patience) as connection:
            connection.execute(_DROP, (space,))


def _load(connection: sqlite3.Connection, space: str) -> Sequence[Progress]:
    return [
        Progress(TokenRange(start, end), cursor, done, failed)
        for start, end, cursor, done, failed in connection.execute(_LOAD, (space,))
    ]
