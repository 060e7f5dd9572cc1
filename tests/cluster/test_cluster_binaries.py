"""Programs are built once and whole; tried with a Go client that writes one file a command."""

import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from embark_testing.cluster.binaries import NotBuiltError, built, ensure_built
from embark_testing.cluster.commands import CommandFailedError
from embark_testing.cluster.go_builds import MissingGoError
from embark_testing.cluster.go_modules import KUBERNETES

GO = """#!/bin/bash
echo "$*" >> "{calls}"
case "$1 $2" in
  "mod download") echo '{{"GoMod": "published.mod"}}';;
  "mod edit") echo '{published}';;
  build*) cat go.mod > "{module}"; while [ "$1" != -o ]; do shift; done; shift
    for package in "${{@:2}}"; do echo program > "$1/${{package##*/}}"; done; exit {status};;
esac
"""
PUBLISHED = """
{"Go": "1.24.0", "Replace": [
  {"Old": {"Path": "k8s.io/api"}, "New": {"Path": "./staging/src/k8s.io/api"}},
  {"Old": {"Path": "example.org/forked"}, "New": {"Path": "./forked"}}
]}
"""


@pytest.fixture
def environment(tmp_path: Path) -> Mapping[str, str]:
    """An empty cache folder, and a PATH with only what a shell script needs."""
    (tmp_path / "bin").mkdir()
    for tool in ("bash", "cat"):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool) or "")
    return {"EMBARK_CACHE": str(tmp_path / "cache"), "PATH": str(tmp_path / "bin")}


def install_go(tmp_path: Path, status: int = 0) -> Path:
    """Install a `go` whose builds end with `status`; returns the file with a line for each of its calls."""
    calls, script = tmp_path / "calls", tmp_path / "bin" / "go"
    published = PUBLISHED.replace("\n", "")
    script.write_text(GO.format(calls=calls, module=tmp_path / "go.mod", published=published, status=status))
    script.chmod(0o755)
    return calls


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_programs_are_built_once(tmp_path: Path, environment: Mapping[str, str]) -> None:
    install_go(tmp_path)
    folder = ensure_built(KUBERNETES, environment, print)
    (tmp_path / "bin" / "go").unlink()
    assert ensure_built(KUBERNETES, environment, print) == built(KUBERNETES, environment) == folder
    assert names(folder) == set(KUBERNETES.commands)
    assert folder.name == f"kubernetes-{KUBERNETES.version}"


def test_builds_leave_neither_objects_nor_modules(tmp_path: Path, environment: Mapping[str, str]) -> None:
    install_go(tmp_path)
    folder = ensure_built(KUBERNETES, environment, print)
    assert {name for name in names(folder.parent) if not name.endswith(".lock")} == {folder.name}


def test_two_at_once_build_once(tmp_path: Path, environment: Mapping[str, str]) -> None:
    calls = install_go(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        folders = set(pool.map(lambda _: ensure_built(KUBERNETES, environment, print), range(4)))
    assert len(folders) == 1
    assert len([line for line in calls.read_text().splitlines() if line.startswith("build")]) == 1


def test_a_build_that_fails_leaves_nothing(tmp_path: Path, environment: Mapping[str, str]) -> None:
    install_go(tmp_path, status=1)
    with pytest.raises(CommandFailedError, match="ended with 1"):
        ensure_built(KUBERNETES, environment, print)
    with pytest.raises(NotBuiltError, match="`make cluster` builds it"):
        built(KUBERNETES, environment)


def test_staging_modules_come_at_their_published_version(tmp_path: Path, environment: Mapping[str, str]) -> None:
    install_go(tmp_path)
    ensure_built(KUBERNETES, environment, print)
    lines = (tmp_path / "go.mod").read_text().splitlines()
    assert f"replace k8s.io/api => k8s.io/api v0{KUBERNETES.version.removeprefix('v1')}" in lines
    assert not [line for line in lines if "forked" in line]


def test_without_go_the_error_says_what_to_install(environment: Mapping[str, str]) -> None:
    with pytest.raises(MissingGoError, match="needs the Go client"):
        ensure_built(KUBERNETES, environment, print)
