"""Caches as the commands reach them: the one in memory and a real API server, and what is said where there is none."""

import json
import socket
import tomllib
from abc import abstractmethod
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from embark.cli.main import GROUP, build_cli
from embark.manifest import parse_body
from embark_operator.cli.caches import Caches, Place, read_cache
from embark_operator.cli.cluster_caches import cluster_caches
from embark_operator.cli.main import COMMANDS, build_plugin, main
from embark_operator.cli.steps import replacement
from embark_operator.cluster.kinds import CACHE
from embark_operator.cluster.protocol import ConflictError, MissingError
from embark_testing.api.namespaces import CacheNamespace
from embark_testing.caches import sample_text
from embark_testing.worlds.rollout_commands import NEW, OLD, MemoryCaches, record


class CachesContract:
    """What the commands are promised of Caches; `place` is a cache photos that nobody else writes."""

    @pytest.fixture
    @abstractmethod
    def caches(self) -> Caches | Iterator[Caches]: ...

    @pytest.fixture
    @abstractmethod
    def place(self) -> Place: ...

    def test_a_cache_is_read_whole(self, caches: Caches, place: Place) -> None:
        stored = read_cache(caches, place)
        assert (stored.cache.metadata.name, stored.cache.spec.encoder) == ("photos", OLD)

    def test_a_merge_adds_an_annotation_and_leaves_the_rest(self, caches: Caches, place: Place) -> None:
        caches.merge(CACHE, *place, {"metadata": {"annotations": {"embark.dev/approved": "a"}}})
        caches.merge(CACHE, *place, {"metadata": {"annotations": {"embark.dev/resumed": "b"}}})
        stored = read_cache(caches, place)
        assert stored.cache.metadata.annotations == {"embark.dev/approved": "a", "embark.dev/resumed": "b"}
        assert stored.cache.spec.encoder == OLD

    def test_a_merge_of_a_replacement_leaves_the_encoder_that_is_wanted_and_none_else(
        self, caches: Caches, place: Place
    ) -> None:
        for encoder in (NEW, OLD):
            stored = read_cache(caches, place)
            wanted = record(encoder)["encoder"]
            caches.merge(CACHE, *place, {"spec": {"encoder": replacement(stored.encoder, wanted)}})
            assert read_cache(caches, place).cache.spec.encoder == encoder

    def test_a_merge_is_a_conflict_once_the_cache_has_changed_since_it_was_read(
        self, caches: Caches, place: Place
    ) -> None:
        version = read_cache(caches, place).version
        change = {"metadata": {"resourceVersion": version}, "spec": {"rollout": {"paused": True}}}
        caches.merge(CACHE, *place, change)
        again = {"metadata": {"resourceVersion": version}, "spec": {"rollout": {"paused": False}}}
        with pytest.raises(ConflictError) as refused:
            caches.merge(CACHE, *place, again)
        assert not isinstance(refused.value, MissingError)
        assert read_cache(caches, place).cache.spec.rollout.paused

    def test_what_is_not_there_is_missing(self, caches: Caches, place: Place) -> None:
        assert caches.read(CACHE, place.namespace, "nothing") is None
        with pytest.raises(MissingError):
            caches.merge(CACHE, place.namespace, "nothing", {"spec": {}})


class TestMemoryCaches(CachesContract):
    @pytest.fixture
    def place(self) -> Place:
        return Place("default", "photos")

    @pytest.fixture
    def caches(self) -> Caches:
        caches = MemoryCaches()
        document = yaml.safe_load(sample_text("photos"))
        document["metadata"]["namespace"] = "default"
        caches.create(document)
        return caches


@pytest.mark.cluster
class TestClusterCaches(CachesContract):
    @pytest.fixture
    def place(self, namespace: CacheNamespace) -> Place:
        namespace.apply("photos")
        return Place(namespace.name, "photos")

    @pytest.fixture
    def caches(self, namespace: CacheNamespace) -> Iterator[Caches]:
        with cluster_caches(str(namespace.server.kubeconfig), "", {}) as (caches, _):
            yield caches

    def test_the_plugin_steers_a_cache_by_its_kubeconfig(self, namespace: CacheNamespace, place: Place) -> None:
        options = ("-n", place.namespace, "--kubeconfig", str(namespace.server.kubeconfig))
        result = CliRunner().invoke(build_plugin(), ["pause", "photos", *options])
        assert (result.exit_code, result.output.startswith(f"{place.namespace}/photos: paused")) == (0, True)
        assert parse_body(namespace.get("embc", "photos") | {"status": {}}).spec.rollout.paused
        missing = CliRunner().invoke(build_plugin(), ["status", "nothing", *options])
        assert (missing.exit_code, "there is none" in missing.output) == (1, True)


def _kubeconfig(folder: Path, port: int, **context: Any) -> str:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", **context}}],
        "current-context": "here",
    }
    path = folder / "config"
    path.write_text(json.dumps(config))
    return str(path)


def test_a_cluster_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        file = _kubeconfig(tmp_path, free.getsockname()[1])
        result = CliRunner().invoke(build_plugin(), ["status", "photos", "--kubeconfig", file])
    assert (result.exit_code, len(result.stderr.splitlines()), result.stdout) == (1, 1, "")
    assert result.stderr.startswith("Error: kubernetes: ")
    assert "--context and --kubeconfig name another cluster" in result.stderr


@pytest.mark.parametrize("text", ["a: [", "", "apiVersion: v1"])
def test_a_kubeconfig_that_is_none_is_one_line(text: str, tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(text)
    result = CliRunner().invoke(build_plugin(), ["status", "photos", "--kubeconfig", str(file)])
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert result.stderr.startswith("Error: kubernetes: no cluster is configured: ")


@pytest.mark.parametrize("options", [["--kubeconfig", "/no/such/file"], ["--context", "elsewhere"]])
def test_no_cluster_is_one_line(options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", _kubeconfig(tmp_path, 1))
    result = CliRunner().invoke(build_plugin(), ["pause", "photos", *options])
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert result.stderr.startswith("Error: kubernetes: no cluster is configured: ")


def test_the_plugin_has_these_commands_and_embark_has_none_of_their_names() -> None:
    names = {"plan", "approve", "pause", "resume", "rollback", "status"}
    assert set(build_plugin().commands) == {command.name for command in COMMANDS} == names
    others = {point.name for point in entry_points(group="embark.commands") if "embark_operator" not in point.value}
    assert names.isdisjoint({*build_cli(lambda: ()).commands, *others})


def test_the_packages_entry_points_are_the_plugin_and_its_commands_within_embark() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    added = project["entry-points"][GROUP]
    points = [EntryPoint(name, value, GROUP) for name, value in added.items()]
    assert {point.name: point.load() for point in points} == {command.name: command for command in COMMANDS}
    assert EntryPoint("plugin", project["scripts"]["kubectl-embark"], "").load() is main
    for name in added:
        told = CliRunner().invoke(build_cli(lambda: points), [name, "--help"])
        assert (told.exit_code, f"Usage: embark {name} [OPTIONS]" in told.output) == (0, True)
