import sqlite3
import threading
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from embark.errors import UnavailableError
from embark.store import Embedding, EmbeddingStore
from embark.store.sqlite.adapter import SqliteLimits, SqliteStore
from embark_testing.contracts.checkpoints import CheckpointsContract
from embark_testing.contracts.neighbours import NeighbourContract
from embark_testing.contracts.ranges import RangesContract
from embark_testing.contracts.rows import PATIENT, SPACE, embedding, negative, read_one, scanned
from embark_testing.contracts.store import StoreContract
from embark_testing.deployments.killed_child import child
from embark_testing.eventually import eventually
from embark_testing.fake_clock import FakeClock

NO_TIME = timedelta(0)


class TestSqliteStore(StoreContract, NeighbourContract, RangesContract, CheckpointsContract):
    """The contract in a file."""


def test_rows_deletes_and_times_survive_a_reopening(store: EmbeddingStore, path: Path, clock: FakeClock) -> None:
    store.write(SPACE, [embedding("e", 1), negative("n", 1, clock.at + 9), embedding("deleted", 1)])
    store.delete(SPACE, ["deleted"], 5)
    store.close()
    again = SqliteStore(path, clock)
    again.write(SPACE, [embedding("deleted", 4)])
    rows = scanned(again)
    again.close()
    assert rows == [embedding("e", 1), negative("n", 1, clock.at + 9)]


def test_a_row_whose_write_returned_survives_kill_9(path: Path, clock: FakeClock) -> None:
    code = """
        import itertools, sys
        from pathlib import Path
        from embark.store import Embedding
        from embark.store.sqlite.adapter import SqliteStore
        store = SqliteStore(Path(sys.argv[1]), lambda: 1_000)
        store.ensure_space(sys.argv[2])
        for i in itertools.count():
            store.write(sys.argv[2], [Embedding(f"key {i}", bytes(5120), i + 1)])
            print(f"key {i}", flush=True)
    """
    with child(code, path, SPACE) as (_, lines):
        written = [next(lines) for _ in range(50)]
    store = SqliteStore(path, clock)
    found = store.read(SPACE, written, PATIENT)
    store.write(SPACE, [embedding("written afterwards", 1)])
    store.close()
    assert found == {key: Embedding(key, bytes(5120), i + 1) for i, key in enumerate(written)}


def test_a_read_that_takes_too_long_is_unavailable(store: EmbeddingStore) -> None:
    store.write(SPACE, [embedding("key", 1)])
    with pytest.raises(UnavailableError, match=r"store: .* no answer within 0:00:00"):
        store.read(SPACE, [f"key {i}" for i in range(20_000)], NO_TIME)
    assert read_one(store, "key") == embedding("key", 1)


def test_a_read_of_a_locked_file_is_unavailable_and_works_once_it_is_unlocked(
    store: EmbeddingStore, path: Path, clock: FakeClock
) -> None:
    store.write(SPACE, [embedding("key", 1)])
    store.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("PRAGMA locking_mode = EXCLUSIVE")
        holder.execute("BEGIN EXCLUSIVE")
        late = SqliteStore(path, clock)
        with pytest.raises(UnavailableError, match="store"):
            late.read(SPACE, ["key"], timedelta(milliseconds=20))
        with pytest.raises(UnavailableError, match="store"):
            late.read(SPACE, ["key"], NO_TIME)
    row = read_one(late, "key")
    late.close()
    assert row == embedding("key", 1)


def test_a_read_never_waits_for_a_write(store: EmbeddingStore, path: Path) -> None:
    store.write(SPACE, [embedding("key", 1)])
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute(f"DELETE FROM embeddings_{SPACE}")
        row = store.read(SPACE, ["key"], timedelta(milliseconds=200)).get("key")
        assert store.count(SPACE) == 1
    assert row == embedding("key", 1)


def test_a_write_to_a_file_that_stays_locked_is_unavailable_and_changes_nothing(
    store: EmbeddingStore, path: Path, clock: FakeClock
) -> None:
    impatient = SqliteStore(path, clock, SqliteLimits(timeout=timedelta(milliseconds=20)))
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(UnavailableError, match=r"locked|no answer"):
            impatient.write(SPACE, [embedding("key", 1)])
    assert read_one(store, "key") is None
    impatient.write(SPACE, [embedding("key", 1)])
    impatient.close()
    assert read_one(store, "key") == embedding("key", 1)


def test_a_write_waits_for_another_writer_of_the_file(store: SqliteStore, path: Path) -> None:
    failures: list[UnavailableError] = []

    def write() -> None:
        try:
            store.write(SPACE, [embedding("key", 1)])
        except UnavailableError as error:
            failures.append(error)

    writer = threading.Thread(target=write)
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        writer.start()
        eventually(store._file._writing.locked, what="the write has begun")
    writer.join()
    assert failures == []
    assert read_one(store, "key") == embedding("key", 1)


def test_a_batch_is_written_entirely_or_not_at_all(store: EmbeddingStore) -> None:
    broken = embedding("broken", 2**70)
    with pytest.raises(OverflowError):
        store.write(SPACE, [embedding("valid", 1), broken])
    assert scanned(store) == []
    store.write(SPACE, [embedding("valid", 1)])
    assert scanned(store) == [embedding("valid", 1)]


def test_a_file_that_is_not_a_database_is_unavailable(path: Path, clock: FakeClock) -> None:
    path.write_bytes(b"not a database" * 1000)
    store = SqliteStore(path, clock)
    with pytest.raises(UnavailableError, match="not a database"):
        store.ensure_space(SPACE)
    with pytest.raises(UnavailableError, match="not a database"):
        store.read(SPACE, ["key"], PATIENT)
    store.close()


def test_a_read_creates_no_file(path: Path, clock: FakeClock) -> None:
    store = SqliteStore(path, clock)
    with pytest.raises(UnavailableError, match="unable to open"):
        store.read(SPACE, ["key"], PATIENT)
    store.close()
    assert not path.exists()


def test_an_invalid_space_id_never_reaches_the_file(store: EmbeddingStore) -> None:
    with pytest.raises(ValueError, match="is not the id of a space"):
        store.ensure_space("x; DROP TABLE embeddings_0123456789ab")
    with pytest.raises(ValueError, match="is not the id of a space"):
        store.read("", ["key"], PATIENT)
    assert store.count(SPACE) == 0


def test_a_count_reads_no_vector(store: SqliteStore, path: Path) -> None:
    statement = store._table(SPACE).count
    with closing(sqlite3.connect(path)) as connection:
        plan = [step for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {statement}", (1,))]
    assert sum("_entries" in step for step in plan) == 2
