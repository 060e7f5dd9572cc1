"""The caches of a cluster, in memory and behind a real API server, and the messages when there is no cluster."""

import json
import socket
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from embark.cli.main import build_cli
from embark.cli.rollout.commands import ROLLOUT_COMMANDS
from embark.cli.rollout.session import GROUP, ClusterTarget
from embark.errors import EmbArkError
from embark.manifest import parse_body
from embark.resources import CacheRef, CacheResources
from embark_operator.cli.cluster_caches import ClusterCaches, open_cluster
from embark_operator.cli.main import build_plugin, main
from embark_operator.cluster.protocol import ApiRefusedError
from embark_testing.api.namespaces import CacheNamespace
from embark_testing.contracts.cache_resources import CacheResourcesContract
from embark_testing.worlds.rollout_commands import PHOTOS


@pytest.mark.cluster
class TestClusterCaches(CacheResourcesContract):
    @pytest.fixture
    def ref(self, namespace: CacheNamespace) -> CacheRef:
        namespace.apply("photos")
        return CacheRef(namespace.name, "photos")

    @pytest.fixture
    def caches(self, namespace: CacheNamespace) -> Iterator[CacheResources]:
        with open_cluster(ClusterTarget(kubeconfig=str(namespace.server.kubeconfig)), {}) as scope:
            yield scope.resources

    def test_the_plugin_steers_a_cache_by_its_kubeconfig(self, namespace: CacheNamespace, ref: CacheRef) -> None:
        options = ("-n", ref.namespace, "--kubeconfig", str(namespace.server.kubeconfig))
        result = CliRunner().invoke(build_plugin(), ["pause", "photos", *options])
        assert (result.exit_code, result.output.startswith(f"{ref.namespace}/photos: paused")) == (0, True)
        assert parse_body(namespace.get("embc", "photos") | {"status": {}}).spec.rollout.paused
        missing = CliRunner().invoke(build_plugin(), ["status", "nothing", *options])
        assert (missing.exit_code, "not found" in missing.output) == (1, True)


@pytest.mark.parametrize(
    ("reason", "hint"),
    [("Forbidden", "may not patch"), ("NoSuchKind", "install EmbArk there first (charts/embark)")],
)
def test_a_refusal_of_the_api_server_says_what_to_do(reason: str, hint: str) -> None:
    class RefusingCluster:
        def merge(self, *arguments: object) -> None:  # noqa: ARG002 - refused unread
            raise ApiRefusedError(str(PHOTOS), reason, "ann may not patch")

    caches = ClusterCaches(RefusingCluster())  # type: ignore[arg-type] # only merge is called
    with pytest.raises(EmbArkError) as refused:
        caches.merge(PHOTOS, {})
    assert str(refused.value).startswith("EmbeddingCache default/photos: ann may not patch")
    assert str(refused.value).endswith(hint)


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


def test_an_unavailable_cluster_is_reported_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        file = _kubeconfig(tmp_path, free.getsockname()[1])
        result = CliRunner().invoke(build_plugin(), ["status", "photos", "--kubeconfig", file])
    assert (result.exit_code, len(result.stderr.splitlines()), result.stdout) == (1, 1, "")
    assert result.stderr.startswith("Error: kubernetes: ")
    assert "--context and --kubeconfig select another cluster" in result.stderr


@pytest.mark.parametrize("text", ["a: [", "", "apiVersion: v1"])
def test_an_invalid_kubeconfig_is_reported_in_one_line(text: str, tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(text)
    result = CliRunner().invoke(build_plugin(), ["status", "photos", "--kubeconfig", str(file)])
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert result.stderr.startswith("Error: kubernetes: no cluster is configured: ")


@pytest.mark.parametrize("options", [["--kubeconfig", "/no/such/file"], ["--context", "elsewhere"]])
def test_a_missing_cluster_is_reported_in_one_line(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", _kubeconfig(tmp_path, 1))
    result = CliRunner().invoke(build_plugin(), ["pause", "photos", *options])
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert result.stderr.startswith("Error: kubernetes: no cluster is configured: ")


def test_the_plugin_and_embark_have_the_same_rollout_commands() -> None:
    names = {"plan", "approve", "pause", "resume", "rollback", "status"}
    assert set(build_plugin().commands) == {command.name for command in ROLLOUT_COMMANDS} == names
    embark = build_cli(lambda: ())
    assert {name: embark.commands[name] for name in names} == build_plugin().commands
    for name in names:
        shown = CliRunner().invoke(embark, [name, "--help"])
        assert (shown.exit_code, f"Usage: embark {name} [OPTIONS]" in shown.output) == (0, True)


def test_the_packages_entry_points_are_the_plugin_and_the_cluster() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert EntryPoint("plugin", project["scripts"]["kubectl-embark"], "").load() is main
    [(name, value)] = project["entry-points"][GROUP].items()
    assert (name, EntryPoint(name, value, GROUP).load()) == ("cluster", open_cluster)
