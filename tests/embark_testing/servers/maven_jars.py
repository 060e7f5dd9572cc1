"""The jars of a server, fetched once from Maven Central into the cache folder."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

POMS = Path(__file__).parent / "poms"
# Without a version, the plugin would differ between versions of Maven.
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


class MissingToolsError(Exception):
    """Java or Maven is not installed; the message says which."""


class FetchError(Exception):
    """Maven could not fetch the jars; the message has its output."""


def server_jars(name: str, environment: Mapping[str, str]) -> Path:
    """Return the folder with the jars of poms/<name>.xml, fetching them if the cache folder lacks them.

    The folder is complete or absent: it is filled under another name and renamed, so that fetches at the same time or
    cut short harm none.

    Raises:
        MissingToolsError: there is no java, or no mvn where jars must be fetched.
        FetchError: Maven failed.
    """
    pom = (POMS / f"{name}.xml").read_bytes()
    folder = _servers_folder(environment) / f"{name}-{_version(pom)}-{hashlib.sha256(pom).hexdigest()[:12]}"
    _require("java", name)
    if not folder.is_dir():
        _require("mvn", name)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as fresh:
            _install(_fetch(pom, Path(fresh)), folder)
    return folder


def _servers_folder(environment: Mapping[str, str]) -> Path:
    if chosen := environment.get("EMBARK_CACHE"):
        return Path(chosen) / "servers"
    return Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "embark" / "servers"


def _version(pom: bytes) -> str:
    found = re.search(rb"<version>([^<$]+)</version>", pom)
    assert found is not None, "a pom without a version"
    return found[1].decode()


def _require(tool: str, server: str) -> None:
    if shutil.which(tool) is None:
        raise MissingToolsError(f"{server} needs {tool}; Debian: apt-get install openjdk-17-jre-headless maven")


def _fetch(pom: bytes, folder: Path) -> Path:
    (folder / "pom.xml").write_bytes(pom)
    jars = folder / "jars"
    # --strict-checksums: a damaged jar fails here, not at its first use.
    command = ["mvn", "--quiet", "--batch-mode", "--strict-checksums", _COPY]
    options = ["-DincludeScope=runtime", f"-DoutputDirectory={jars}"]
    ran = subprocess.run([*command, *options], cwd=folder, capture_output=True, text=True, check=False)
    if ran.returncode or not any(jars.glob("*.jar")):
        raise FetchError(f"mvn ended with {ran.returncode}:\n{ran.stdout[-4000:]}{ran.stderr[-4000:]}")
    return jars


def _install(jars: Path, folder: Path) -> None:
    try:
        os.rename(jars, folder)  # noqa: PTH104 - never replaces a folder that has files; shutil.move would go into it
    except OSError:
        if not folder.is_dir():  # else another fetch was first
            raise
