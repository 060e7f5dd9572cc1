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
    """A module's programs are not in the cache folder; the message says what builds them."""


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
    """Return the folder with the module's programs, built first where the cache folder lacks them.

    Of two that build at the same time one waits for the other. A build that is cut short leaves no folder. `objects`
    keeps compiled packages for a build that comes after.

    Raises:
        MissingGoError: there is no Go client.
        CommandFailedError: the Go client failed.
    """
    cache = default_folder(environment)
    folder = cache / module.folder
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / f".{module.folder}.lock", lambda: report(f"{module.name}: another build is under way …")):
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(prefix=f".{module.folder}-", dir=cache) as fresh:
                kept = objects or Path(fresh) / "objects"
                build(module, Path(fresh), kept, environment, report).rename(folder)
            report(f"{module.name} {module.version}: built into {folder}")
    return folder


@contextmanager
def _locked(path: Path, report_wait: Callable[[], None]) -> Iterator[None]:
    # The kernel lets go of the lock with the process that holds it, however that ends; so the file may stay.
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report_wait()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main(names: Sequence[str]) -> int:
    """Build those of the named modules, or of all, that the cache folder lacks; return the exit status."""
    try:
        # Modules share the packages of Go's own library, and their builds a folder for what is compiled.
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
