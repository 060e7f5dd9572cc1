"""Connections to the one SQLite file of the local mode; the SQLite store and the SQLite topic open theirs here.

The file is in WAL mode: readers and the one writer never wait for each other. A commit with `synchronous=NORMAL` is in
the file before it returns, so it outlives the process, kill -9 included. Only a power cut may take the last commits
back, and then of store and topic alike, as both are in one file: what is lost was asked for so lately that the next
look-up asks again. `FULL` also syncs the disk at every commit.
"""

import math
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal

from embark.errors import ClosedError, UnavailableError

# A vector of 1,280 float32 and its key fit into one page; with SQLite's 4,096 every read would follow an overflow page.
_PAGE_BYTES: Final = 8192
# The WAL is cut back to this after a checkpoint; a burst of fills must not leave a large file for ever.
_WAL_BYTES: Final = 64 * 1024 * 1024
# The deadline of a statement is looked at once in so many instructions of SQLite's virtual machine, about 100 µs.
_DEADLINE_STEPS: Final = 1_000
_RETRY_SECONDS: Final = 0.01


class SqliteFile:
    """The connections of one part to the file: opened when none is idle, each lent to one thread at a time.

    It does no I/O before the first use. Every sqlite3.Error under a lent connection becomes an UnavailableError that
    names `server` ("store" or "topic") and the file; the connection it came from is never used again.
    """

    def __init__(self, path: Path, server: str, synchronous: Literal["NORMAL", "FULL"] = "NORMAL") -> None:
        self._path = path.absolute()
        self._server = server
        self._synchronous = synchronous
        self._guard = threading.Lock()
        self._writing = threading.Lock()
        self._idle: list[_Link] = []
        self._closed = False

    def create(self, statements: Sequence[str], timeout: timedelta) -> None:
        """Make the file, and what of `statements` (each with IF NOT EXISTS) is not there yet."""
        deadline = time.monotonic() + timeout.total_seconds()
        with self.lend(timeout, create=True) as connection:
            connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
            mode = _enter_wal(connection, deadline)
            if mode != "wal":
                raise UnavailableError(self._server, f"{self._path}: no WAL here ({mode}); the file needs a local disk")
        with self.transaction(timeout) as connection:
            for statement in statements:
                connection.execute(statement)

    @contextmanager
    def lend(self, timeout: timedelta, *, create: bool = False) -> Iterator[sqlite3.Connection]:
        """Lend a connection in autocommit mode whose statements end `timeout` from now at the latest.

        Raises:
            UnavailableError: a statement failed, found the file locked, or was not done in time.
            ClosedError: after close().
        """
        link, sound = None, False
        try:
            link = self._take(timeout, create=create)
            yield link.connection
            sound = True
        except sqlite3.Error as error:
            what = f"no answer within {timeout}" if link and link.over() else str(error)
            raise UnavailableError(self._server, f"{self._path}: {what}") from error
        finally:
            if link:
                self._give_back(link, sound=sound)

    @contextmanager
    def transaction(self, timeout: timedelta) -> Iterator[sqlite3.Connection]:
        """Lend a connection that holds the file's write lock; commits at the end, rolls back when anything is raised.

        Writers of one process queue up on a lock, since SQLite lets them sleep and try again in no fair order.
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

    def check_open(self) -> None:
        """Raise ClosedError after close()."""
        if self._closed:
            raise ClosedError(f"the {self._server} {self._path} was closed before")

    def close(self) -> None:
        """Close the idle connections now and the lent ones as they come back."""
        with self._guard:
            self._closed = True
            idle, self._idle = self._idle, []
        for link in idle:
            link.connection.close()

    def _take(self, timeout: timedelta, *, create: bool) -> "_Link":
        with self._guard:
            self.check_open()
            link = self._idle.pop() if self._idle else None
        if link is None:
            link = _Link(f"{self._path.as_uri()}?mode={'rwc' if create else 'rw'}")
        try:
            link.limit(timeout, self._synchronous)
        except BaseException:
            link.connection.close()
            raise
        return link

    def _give_back(self, link: "_Link", *, sound: bool) -> None:
        with self._guard:
            keep = sound and not self._closed
            if keep:
                self._idle.append(link)
        if not keep:
            link.connection.close()


class _Link:
    """A connection and the deadline of what runs on it."""

    def __init__(self, uri: str) -> None:
        self.connection = sqlite3.connect(uri, timeout=0, uri=True, isolation_level=None, check_same_thread=False)
        self.connection.set_progress_handler(self.over, _DEADLINE_STEPS)
        self._deadline = math.inf
        self._busy_timeout = 0
        self._fresh = True

    def limit(self, timeout: timedelta, synchronous: str) -> None:
        """Let every statement from now on end within `timeout`: those that work, and those that wait for a lock."""
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

    def over(self) -> bool:
        """Return whether the deadline has passed; True makes SQLite interrupt the statement."""
        return time.monotonic() >= self._deadline


def _enter_wal(connection: sqlite3.Connection, deadline: float) -> str:
    """Return the journal mode that the file is in after WAL was asked for.

    SQLite answers "locked" at once, without its busy timeout, while another connection makes the same change.
    """
    while True:
        try:
            return str(connection.execute("PRAGMA journal_mode = WAL").fetchone()[0])
        except sqlite3.OperationalError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_RETRY_SECONDS)
