"""The data folders of the local mode: one a cache, which one process has at a time."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from embark.errors import EmbArkError
from embark.spec import EmbeddingCache
from embark_local.rollout_files import ROLLOUT

DATABASE = "embark.sqlite"


class BusyError(EmbArkError):
    """Another process has the data folder."""


def data_folder(cache: EmbeddingCache, environment: Mapping[str, str]) -> Path:
    """Return where the rows and fills of a cache are kept unless the user says otherwise."""
    state = Path(environment.get("XDG_STATE_HOME") or Path.home() / ".local/state")
    return state / "embark" / f"{cache.metadata.namespace}.{cache.metadata.name}"


@contextmanager
def claimed(folder: Path) -> Iterator[Path]:
    """Make the folder, hold it for this process alone, and give the database's path.

    Raises:
        BusyError: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(f"{folder} is in use by another embark local; stop it, or give another --data") from None
        yield folder / DATABASE
    finally:
        os.close(lock)


def forget(folder: Path) -> None:
    """Delete the rows and fills kept in a claimed folder, and what it says of its spaces."""
    for pattern in (f"{ROLLOUT}*", f"{DATABASE}*"):
        for kept in folder.glob(pattern):
            kept.unlink()
