"""The tokens of a space's keys in SQLite, by which its ranges are scanned; the SQLite store ensures them.

Files that were made before there were ranges lack the column: it is added and filled. No row lacks its token once
ensure_tokens has returned.
"""

import sqlite3
from datetime import timedelta
from typing import Final

from embark.names import embeddings_table
from embark.sqlite import SqliteFile
from embark.store.ranges import to_token
from embark.store.sqlite.parts import change_in_parts

# Rows that get their token in one transaction.
_FILLED_AT_ONCE: Final = 10_000


def ensure_tokens(file: SqliteFile, space: str, patience: timedelta) -> None:
    """Give the table of a space, which is there, the column and index of tokens where it lacks them."""
    table = embeddings_table(space)
    with file.transaction(patience) as connection:
        asked = "SELECT count(*) FROM pragma_table_info(?) WHERE name = 'token'"
        if connection.execute(asked, (table,)).fetchone() == (0,):
            connection.execute(f"ALTER TABLE {table} ADD COLUMN token INTEGER")
        connection.execute(f"CREATE INDEX IF NOT EXISTS {table}_tokens ON {table} (token)")
    lacking = f"SELECT rowid, key FROM {table} WHERE token IS NULL LIMIT ?"  # noqa: S608 - a table's name
    update = f"UPDATE {table} SET token = ? WHERE rowid = ?"  # noqa: S608 - a table's name

    def fill(connection: sqlite3.Connection, limit: int) -> int:
        found = connection.execute(lacking, (limit,)).fetchall()
        connection.executemany(update, [(to_token(key), rowid) for rowid, key in found])
        return len(found)

    change_in_parts(file, patience, _FILLED_AT_ONCE, fill)
