"""How the SQLite store purges deletes and expired rows."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from embark.store import EmbeddingStore
from embark.store.rows import GRACE
from embark.store.sqlite.adapter import SqliteLimits, SqliteStore
from embark_testing.contracts.rows import SPACE, embedding, negative
from embark_testing.fake_clock import FakeClock


def rows_in(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {key for (key,) in connection.execute(f"SELECT key FROM embeddings_{SPACE}")}


def test_purged_rows_leave_the_file(store: EmbeddingStore, path: Path, clock: FakeClock) -> None:
    store.write(SPACE, [embedding("expired", 1, expires_at=clock.at), negative("negative", 1, clock.at)])
    store.write(SPACE, [embedding("renewed", 1, expires_at=clock.at), embedding("kept", 1)])
    store.delete(SPACE, ["deleted"], 5)
    store.write(SPACE, [embedding("renewed", 2)])
    clock.advance(GRACE - timedelta(microseconds=1))
    store.ensure_space(SPACE)
    assert rows_in(path) == {"expired", "negative", "renewed", "kept", "deleted"}
    clock.advance(timedelta(microseconds=1))
    store.ensure_space(SPACE)
    assert rows_in(path) == {"renewed", "kept"}


@pytest.mark.parametrize("change", ["write", "delete"])
def test_every_change_purges_old_rows(store: EmbeddingStore, path: Path, clock: FakeClock, change: str) -> None:
    store.delete(SPACE, [f"old {i}" for i in range(300)], 5)
    clock.advance(GRACE)
    for i in range(2):
        if change == "write":
            store.write(SPACE, [embedding(f"new {i}", 9)])
        else:
            store.delete(SPACE, [f"new {i}"], 9)
    assert rows_in(path) == {"new 0", "new 1"}


def test_more_old_rows_than_one_transaction_takes_are_all_purged(
    store: EmbeddingStore, path: Path, clock: FakeClock
) -> None:
    store.delete(SPACE, [f"old {i}" for i in range(35)], 5)
    clock.advance(GRACE)
    limited = SqliteStore(path, clock, SqliteLimits(rows_per_batch=10))
    limited.ensure_space(SPACE)
    limited.close()
    assert rows_in(path) == set()
