"""The cluster's programs, built once from Go modules into the cache folder.

Each module has a folder of its own, named for its version, complete or absent.
"""

import fcntl
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from embark_testing.cluster.commands import ClusterError
from embark_testing.cluster.go_builds import build
from embark_testing.cluster.go_modules import MODULES, GoModule
from samples.models.cache_folder import default_folder


class NotBuiltError(ClusterError):
    """A module's programs are not in the cache folder; the message names the command that builds them."""


def built(module: GoModule, environment: Mapping[str, str]) -> Path:
    """Return the folder with the module's programs.

    Raises:
        NotBuiltError: they have not been built.
    """
    folder = default_folder(environment) / module.folder
    if not folder.is_dir():
        raise NotBuiltError(f"{module.name} {module.version} is not in {folder.parent}: `make cluster` builds it")
    return folder


def ensure_built(
    module: GoModule, environment: Mapping[str, str], report: Callable[[str], None], objects: Path | None = None
) -> Path:
    """Return the folder with the module's programs; build them if the cache folder lacks them.

    Concurrent builds wait for each other. An interrupted build leaves no folder. `objects` keeps compiled packages for
    later builds.

    Raises:
        MissingGoError: there is no Go client.
        CommandFailedError: the Go client failed.
    """
    cache = default_folder(environment)
    folder = cache / module.folder
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / f".{module.folder}.lock", lambda: report(f"{module.name}: waiting for another build …")):
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(prefix=f".{module.folder}-", dir=cache) as fresh:
                kept = objects or Path(fresh) / "objects"
                build(module, Path(fresh), kept, environment, report).rename(folder)
            report(f"{module.name} {module.version}: built into {folder}")
    return folder


@contextmanager
def _locked(path: Path, report_wait: Callable[[], None]) -> Iterator[None]:
    # The kernel releases the lock when the process that holds it ends in any way, so the file may stay.
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report_wait()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main(names: Sequence[str]) -> int:
    """Build the named modules, by default all, that the cache folder lacks; return the exit status."""
    try:
        # The modules share Go's standard library, so their builds share the folder of compiled packages.
        cache = default_folder(os.environ)
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".objects-", dir=cache) as objects:
            for module in (module for module in MODULES if not names or module.name in names):
                print(ensure_built(module, os.environ, lambda line: print(line, flush=True), Path(objects)))
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
