"""Files that are read again when they change, such as those of a mounted Secret."""

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")
Stamp = tuple[tuple[int, int, int] | None, ...]


class FileWatcher(Generic[T]):
    """The value of some files, read again when they change; `current` is the last one that could be read.

    `read` raises one of `errors` where the files cannot be used, for example because only one half of a certificate and
    its key was replaced. The first time the error is raised; later it is logged, and the files are read again at the
    next renew(). `subject` names the value in the log. For one thread at a time.
    """

    def __init__(self, subject: str, paths: Iterable[Path], read: Callable[[], T], errors: type[Exception]) -> None:
        self._subject = subject
        self._paths = tuple(paths)
        self._read = read
        self._errors = errors
        self._log = logging.getLogger(__name__)
        self._stamp = read_stamp(self._paths)
        self.current = read()

    def renew(self) -> bool:
        """Read the files if they have changed; return whether `current` is new."""
        stamp = read_stamp(self._paths)
        if stamp == self._stamp:
            return False
        try:
            found = self._read()
        except self._errors as error:
            # The stamp is not kept: the other half of a pair may come without any further change of this one.
            self._log.warning("%s are not renewed yet: %s", self._subject, error)
            return False
        self._stamp = stamp
        self.current = found
        self._log.info("%s are renewed", self._subject, extra={"file": str(self._paths[0])})
        return True


def read_stamp(paths: Iterable[Path]) -> Stamp:
    """Return a value that differs once one of the files was replaced, created or removed."""
    return tuple(map(_stamp, paths))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
