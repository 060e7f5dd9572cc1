"""The data folders of local caches: one for each cache, used by one process at a time."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from embark.errors import EmbArkError
from embark.spec import EmbeddingCache
from embark_local.cache_file import CACHE, FORMER

DATABASE = "embark.sqlite"


class BusyError(EmbArkError):
    """Another process uses the data folder."""


def data_folder(cache: EmbeddingCache, environment: Mapping[str, str]) -> Path:
    """Return the default folder for the rows and fills of a cache."""
    state = Path(environment.get("XDG_STATE_HOME") or Path.home() / ".local/state")
    return state / "embark" / f"{cache.metadata.namespace}.{cache.metadata.name}"


@contextmanager
def claimed(folder: Path) -> Iterator[Path]:
    """Create the folder, lock it for this process, and yield the path of the database.

    Raises:
        BusyError: another process uses the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(f"{folder} is in use by another embark local; stop it, or pass another --data") from None
        yield folder / DATABASE
    finally:
        os.close(lock)


def forget(folder: Path) -> None:
    """Delete the cache, its rows and its fills from a claimed folder."""
    for pattern in (f"{CACHE}*", f"{FORMER}*", f"{DATABASE}*"):
        for file in folder.glob(pattern):
            file.unlink()
