"""Changes of many rows of the SQLite file, a part of them at a time; the SQLite store and its tokens make them."""

import sqlite3
from collections.abc import Callable
from datetime import timedelta

from embark.sqlite import SqliteFile

Change = Callable[[sqlite3.Connection, int], int]


def change_in_parts(file: SqliteFile, patience: timedelta, limit: int, change: Change) -> None:
    """Call `change` in one transaction after another, so that other writers get in between.

    It gets a connection and `limit`, changes at most so many rows and returns how many; fewer than `limit` end it.
    """
    changed = limit
    while changed == limit:
        with file.transaction(patience) as connection:
            changed = change(connection, limit)
