"""Where the rollout commands find their caches: a cluster, a data folder, or a package that is not installed."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from embark.cli.main import build_cli
from embark.cli.rollout.session import GROUP, SessionOpener, open_session
from embark.resources import CacheRef, CacheResources, ResourceScope
from embark_testing.contracts.cache_resources import CacheResourcesContract
from embark_testing.worlds.memory_caches import MemoryCaches
from embark_testing.worlds.rollout_commands import PHOTOS, photos_body


class TestMemoryCaches(CacheResourcesContract):
    @pytest.fixture
    def ref(self) -> CacheRef:
        return PHOTOS

    @pytest.fixture
    def caches(self) -> CacheResources:
        return _memory_caches()


def _memory_caches() -> MemoryCaches:
    caches = MemoryCaches()
    caches.put(PHOTOS, photos_body())
    return caches


@contextmanager
def open_memory(_: object) -> Iterator[ResourceScope]:
    yield ResourceScope(_memory_caches(), "default")


def _run(points: list[EntryPoint], *arguments: str) -> Result:
    opener = SessionOpener(partial(open_session, find_points=lambda: points))
    return CliRunner().invoke(build_cli(added=list), arguments, obj=opener)


def _memory(kind: str) -> EntryPoint:
    return EntryPoint(kind, f"{__name__}:open_memory", GROUP)


@pytest.mark.parametrize("kind", ["cluster", "folder"])
def test_an_installed_package_provides_the_caches(kind: str, tmp_path: Path) -> None:
    options = ["--data", str(tmp_path)] if kind == "folder" else []
    result = _run([_memory(kind)], "pause", "photos", *options)
    assert (result.exit_code, result.output.startswith("default/photos: paused")) == (0, True)


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    cluster = _run([_memory("folder")], "status", "photos")
    assert cluster.exit_code == 1
    assert cluster.stderr == (
        "Error: a cluster needs the package embark-operator: run `pip install embark-operator`; for a cache that "
        "`embark local` runs, pass --data FOLDER\n"
    )
    folder = _run([_memory("cluster")], "status", "photos", "--data", str(tmp_path))
    assert folder.exit_code == 1
    assert folder.stderr == "Error: a data folder needs the package embark-local: run `pip install embark-local`\n"


def test_a_package_that_cannot_be_loaded_is_named() -> None:
    result = _run([EntryPoint("cluster", "no_such_module:open", GROUP)], "status", "photos")
    assert result.exit_code == 1
    assert (
        result.stderr
        == "Error: embark-operator cannot be loaded: No module named 'no_such_module'; reinstall embark-operator\n"
    )


def test_a_folder_and_a_cluster_exclude_each_other(tmp_path: Path) -> None:
    result = _run([_memory("folder")], "status", "photos", "--data", str(tmp_path), "--context", "c")
    assert (result.exit_code, "--data selects a data folder" in result.stderr) == (2, True)


def test_a_cache_missing_from_a_folder_is_reported_in_one_line(tmp_path: Path) -> None:
    result = _run([_memory("folder")], "status", "nothing", "--data", str(tmp_path))
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert result.stderr.startswith("Error: EmbeddingCache default/nothing: not found; ")
    assert str(tmp_path) in result.stderr


def test_the_plan_of_a_folder_names_the_command_that_approves_it(tmp_path: Path) -> None:
    manifest = tmp_path / "photos.yaml"
    body = photos_body()
    body["spec"]["encoder"]["model"]["digest"] = f"sha256:{'b' * 64}"
    body["spec"]["rollout"] = {"approval": "Manual"}
    manifest.write_text(yaml.safe_dump(body))
    result = _run([_memory("folder")], "plan", str(manifest), "--data", str(tmp_path))
    assert (result.exit_code, f"waits for `embark approve photos --data {tmp_path}`" in result.output) == (0, True)
