"""Jars are fetched once and whole; tried with a Maven that writes one file."""

import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from embark_testing.servers.fixtures import skipping_without_tools
from embark_testing.servers.maven_jars import FetchError, MissingToolsError, server_jars

MVN = """#!/bin/sh
echo called >> "{calls}"
for argument; do case "$argument" in -DoutputDirectory=*) folder="${{argument#*=}}";; esac; done
mkdir -p "$folder" && echo jar > "$folder/server.jar"
exit {status}
"""


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """An empty cache folder, and a PATH with only what a shell script needs."""
    (tmp_path / "bin").mkdir()
    for tool in ("sh", "mkdir"):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool) or "")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return {"EMBARK_CACHE": str(tmp_path / "cache")}


def install_tools(tmp_path: Path, status: int = 0) -> Path:
    """Install a java and an mvn that ends with `status`; returns the file with a line for each of its calls."""
    calls = tmp_path / "calls"
    for tool in ("java", "mvn"):
        script = tmp_path / "bin" / tool
        script.write_text(MVN.format(calls=calls, status=status))
        script.chmod(0o755)
    return calls


def test_jars_are_fetched_once(tmp_path: Path, environment: Mapping[str, str]) -> None:
    calls = install_tools(tmp_path)
    folder = server_jars("kafka", environment)
    (tmp_path / "bin" / "mvn").unlink()
    assert server_jars("kafka", environment) == folder
    assert [path.name for path in folder.iterdir()] == ["server.jar"]
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert calls.read_text() == "called\n"


def test_fetches_at_once_end_with_the_same_folder(tmp_path: Path, environment: Mapping[str, str]) -> None:
    install_tools(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        folders = list(pool.map(lambda _: server_jars("cassandra", environment), range(4)))
    assert len(set(folders)) == 1
    assert [path.name for path in folders[0].iterdir()] == ["server.jar"]
    assert [path.name for path in folders[0].parent.iterdir()] == [folders[0].name]


def test_a_fetch_that_fails_leaves_nothing(tmp_path: Path, environment: Mapping[str, str]) -> None:
    install_tools(tmp_path, status=1)
    with pytest.raises(FetchError, match="ended with 1"):
        server_jars("kafka", environment)
    assert list((tmp_path / "cache" / "servers").iterdir()) == []


def test_without_java_or_maven_a_test_is_skipped_and_in_ci_it_fails(
    environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(MissingToolsError, match="kafka needs java"):
        server_jars("kafka", environment)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="needs java"), skipping_without_tools():
        server_jars("kafka", environment)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no test is skipped"), skipping_without_tools():
        server_jars("kafka", environment)
