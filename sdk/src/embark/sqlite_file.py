"""Connections to the SQLite file that the store and the topic of the local mode share.

The file is in WAL mode: readers and the one writer never wait for each other. A commit with `synchronous=NORMAL` is in
the file before it returns, so it outlives the process, even kill -9. Only a power cut may undo the last commits, those
of store and topic together, as both are in one file; the next lookup of a lost key requests its fill again. `FULL` also
syncs the disk at every commit.
"""

import math
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal

from embark.errors import ClosedError, UnavailableError

# A vector of 1,280 float32 and its key fit into one page; with SQLite's 4,096 bytes every read would need a second.
_PAGE_BYTES: Final = 8192
# The WAL is truncated to this size after a checkpoint: a burst of fills must not leave a large file behind.
_WAL_BYTES: Final = 64 * 1024 * 1024
# The deadline of a statement is checked after this many instructions of SQLite's virtual machine, about 100 µs.
_DEADLINE_STEPS: Final = 1_000
_RETRY_SECONDS: Final = 0.01

Change = Callable[[sqlite3.Connection, int], int]
"""Changes at most the given number of rows, and returns how many it changed."""


class SqliteFile:
    """A pool of connections to the file, each used by one thread at a time; thread-safe.

    It does no I/O before the first use. Every sqlite3.Error under a lent connection becomes an UnavailableError that
    names `server` ("store" or "topic") and the file; its connection is closed.
    """

    def __init__(self, path: Path, server: str, synchronous: Literal["NORMAL", "FULL"] = "NORMAL") -> None:
        self._path = path.absolute()
        self._server = server
        self._synchronous = synchronous
        self._guard = threading.Lock()
        self._writing = threading.Lock()
        self._idle: list[_LentConnection] = []
        self._closed = False

    def create(self, statements: Sequence[str], timeout: timedelta) -> None:
        """Create the file, and what `statements` (each with IF NOT EXISTS) create."""
        deadline = time.monotonic() + timeout.total_seconds()
        with self.lend(timeout, create=True) as connection:
            connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
            mode = _enter_wal(connection, deadline)
            if mode != "wal":
                raise UnavailableError(
                    self._server, f"{self._path}: no WAL here (journal mode {mode}); move the file to a local disk"
                )
        with self.transaction(timeout) as connection:
            for statement in statements:
                connection.execute(statement)

    @contextmanager
    def lend(self, timeout: timedelta, *, create: bool = False) -> Iterator[sqlite3.Connection]:
        """Lend a connection in autocommit mode; every statement ends within `timeout` from now.

        Raises:
            UnavailableError: a statement failed, found the file locked, or was not done in time.
            ClosedError: the file was closed.
        """
        lent, sound = None, False
        try:
            lent = self._take(timeout, create=create)
            yield lent.connection
            sound = True
        except sqlite3.Error as error:
            what = f"no answer within {timeout}" if lent and lent.is_overdue() else str(error)
            raise UnavailableError(self._server, f"{self._path}: {what}") from error
        finally:
            if lent:
                self._give_back(lent, sound=sound)

    @contextmanager
    def transaction(self, timeout: timedelta) -> Iterator[sqlite3.Connection]:
        """Lend a connection that holds the file's write lock; commit at the end, roll back if anything is raised.

        Writers of one process queue up on a lock: SQLite lets them sleep and retry, without fairness.
        """
        deadline = time.monotonic() + timeout.total_seconds()
        if not self._writing.acquire(timeout=timeout.total_seconds()):
            raise UnavailableError(self._server, f"{self._path}: other writes were not done within {timeout}")
        try:
            left = timedelta(seconds=max(0.0, deadline - time.monotonic()))
            with self.lend(left) as connection:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
        finally:
            self._writing.release()

    def change_in_batches(self, change: Change, limit: int, timeout: timedelta) -> None:
        """Call `change` with `limit` in one transaction after another until it changes fewer rows.

        Other writers get their turns in between; `timeout` applies to each transaction.
        """
        changed = limit
        while changed == limit:
            with self.transaction(timeout) as connection:
                changed = change(connection, limit)

    def check_open(self) -> None:
        """Raise ClosedError after close()."""
        if self._closed:
            raise ClosedError(f"the {self._server} {self._path} is closed")

    def close(self) -> None:
        """Close the idle connections now, and each lent one when it is returned."""
        with self._guard:
            self._closed = True
            idle, self._idle = self._idle, []
        for lent in idle:
            lent.connection.close()

    def _take(self, timeout: timedelta, *, create: bool) -> "_LentConnection":
        with self._guard:
            self.check_open()
            lent = self._idle.pop() if self._idle else None
        if lent is None:
            lent = _LentConnection(f"{self._path.as_uri()}?mode={'rwc' if create else 'rw'}")
        try:
            lent.limit(timeout, self._synchronous)
        except BaseException:
            lent.connection.close()
            raise
        return lent

    def _give_back(self, lent: "_LentConnection", *, sound: bool) -> None:
        with self._guard:
            keep = sound and not self._closed
            if keep:
                self._idle.append(lent)
        if not keep:
            lent.connection.close()


class _LentConnection:
    """A connection with the deadline of its statements."""

    def __init__(self, uri: str) -> None:
        self.connection = sqlite3.connect(uri, timeout=0, uri=True, isolation_level=None, check_same_thread=False)
        self.connection.set_progress_handler(self.is_overdue, _DEADLINE_STEPS)
        self._deadline = math.inf
        self._busy_timeout = 0
        self._fresh = True

    def limit(self, timeout: timedelta, synchronous: str) -> None:
        """Interrupt statements that run, or wait for a lock, longer than `timeout` from now."""
        self._deadline = time.monotonic() + timeout.total_seconds()
        busy_timeout = max(0, math.ceil(timeout / timedelta(milliseconds=1)))
        if busy_timeout != self._busy_timeout:
            self.connection.execute(f"PRAGMA busy_timeout = {busy_timeout}")
            self._busy_timeout = busy_timeout
        if self._fresh:
            # These two may read the file, and so wait for a lock.
            self.connection.execute(f"PRAGMA synchronous = {synchronous}")
            self.connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
            self._fresh = False

    def is_overdue(self) -> bool:
        """Return whether the deadline has passed, at which SQLite interrupts the statement."""
        return time.monotonic() >= self._deadline


def _enter_wal(connection: sqlite3.Connection, deadline: float) -> str:
    """Return the journal mode of the file after WAL was requested.

    While another connection makes the same change, SQLite reports "locked" at once, without its busy timeout.
    """
    while True:
        try:
            return str(connection.execute("PRAGMA journal_mode = WAL").fetchone()[0])
        except sqlite3.OperationalError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_RETRY_SECONDS)
