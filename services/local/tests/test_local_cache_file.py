"""The cache of a data folder, as commands and the rollout read and change it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from embark.errors import EmbArkError, InvalidSpecError
from embark.manifest import parse_manifest
from embark.names import APPROVED
from embark.resources import CacheRef, CacheResources
from embark.rollout.state import RolloutPhase
from embark.space import Space
from embark.spec import EmbeddingCache
from embark.spec.status import CacheStatus
from embark_local.cache_file import CacheFile, CacheFileError, open_folder, with_manifest
from embark_local.rollout import build_status, parse_encode_seconds, restore_rollout
from embark_testing.caches import sample, sample_text
from embark_testing.contracts.cache_resources import CacheResourcesContract
from embark_testing.worlds.rollout_commands import PHOTOS, photos_body
from embark_testing.worlds.rollout_parts import filling


def declared(folder: Path, cache: EmbeddingCache, *, approved: bool = False) -> EmbeddingCache:
    """Apply a manifest to the folder."""
    file = CacheFile(folder)
    return file.parse(file.update(lambda body: with_manifest(body, cache, approved=approved)))


class TestFolderResources(CacheResourcesContract):
    @pytest.fixture
    def caches(self, tmp_path: Path) -> Iterator[CacheResources]:
        CacheFile(tmp_path).update(lambda _: photos_body())
        with open_folder(tmp_path) as scope:
            yield scope.resources

    @pytest.fixture
    def ref(self) -> CacheRef:
        return PHOTOS


@pytest.mark.parametrize("name", ["photos", "titles"])
def test_a_manifest_is_kept_whole(name: str, tmp_path: Path) -> None:
    cache = parse_manifest(sample_text(name))
    assert declared(tmp_path, cache).spec == cache.spec
    assert CacheFile(tmp_path).read_cache().spec == cache.spec


def test_a_status_is_read_as_it_was_written(tmp_path: Path) -> None:
    cache = declared(tmp_path, sample("photos"))
    state = filling(RolloutPhase.REEMBEDDING, done=7, failed=1)
    status = build_status(cache.status, state, generation=3, entries=100, encode_seconds="0.010000")
    CacheFile(tmp_path).write_status(status)
    read = CacheFile(tmp_path).read_cache()
    assert read.status == status
    assert restore_rollout(read) == state
    assert {path.name for path in tmp_path.iterdir()} == {"cache.json", "cache.lock"}


def test_an_edited_manifest_replaces_the_spec_and_keeps_status_and_annotations(tmp_path: Path) -> None:
    declared(tmp_path, sample("photos", rollout={"paused": True}))
    file = CacheFile(tmp_path)
    file.merge({"metadata": {"annotations": {APPROVED: "a"}}, "status": {"phase": "Steady"}})
    edited = declared(tmp_path, sample("photos"))
    assert edited.spec == sample("photos").spec
    assert (edited.metadata.annotations[APPROVED], edited.status.phase, edited.metadata.generation) == (
        "a",
        "Steady",
        2,
    )


def test_an_unchanged_manifest_keeps_what_commands_have_changed(tmp_path: Path) -> None:
    declared(tmp_path, sample("photos"))
    CacheFile(tmp_path).merge({"spec": {"rollout": {"paused": True}}})
    again = declared(tmp_path, sample("photos"))
    assert (again.spec.rollout.paused, again.metadata.generation) == (True, 2)


def test_an_approval_at_the_start_is_of_the_manifest_s_space(tmp_path: Path) -> None:
    cache = declared(tmp_path, sample("photos"), approved=True)
    assert cache.metadata.annotations[APPROVED] == Space.from_encoder(cache.spec.encoder).id


def test_the_manifest_of_another_cache_is_refused(tmp_path: Path) -> None:
    cache = sample("photos")
    declared(tmp_path, cache)
    other = cache.model_copy(update={"metadata": cache.metadata.model_copy(update={"name": "other"})})
    with pytest.raises(InvalidSpecError, match="holds the EmbeddingCache default/photos"):
        declared(tmp_path, other)
    assert CacheFile(tmp_path).read_cache() == declared(tmp_path, cache)


def test_another_modality_is_refused(tmp_path: Path) -> None:
    declared(tmp_path, sample("photos"))
    with pytest.raises(InvalidSpecError, match="modality"):
        declared(tmp_path, sample("titles"))
    assert CacheFile(tmp_path).read_cache().spec == sample("photos").spec


def test_a_change_that_no_cache_may_have_is_refused_and_not_written(tmp_path: Path) -> None:
    declared(tmp_path, sample("photos"))
    before = CacheFile(tmp_path).read()
    with pytest.raises(InvalidSpecError, match=r"spec\.rollout\.minCoverage"):
        CacheFile(tmp_path).merge({"spec": {"rollout": {"minCoverage": "7"}}})
    assert CacheFile(tmp_path).read() == before


@pytest.mark.parametrize("text", ['{"spec": ', "[]", "{}", '{"metadata": {}, "spec": {}}', "\x00"])
def test_a_damaged_file_is_named_and_nothing_is_guessed(text: str, tmp_path: Path) -> None:
    (tmp_path / "cache.json").write_text(text)
    with pytest.raises(CacheFileError, match=r"cache\.json"):
        CacheFile(tmp_path).read_cache()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.resourceVersion", "abc"),
        ("metadata.resourceVersion", 7),
        ("metadata.generation", None),
        ("metadata.generation", 1.5),
        ("metadata.annotations", []),
        ("metadata.annotations", None),
        ("metadata.name", 5),
        ("spec", None),
        ("spec.encoder", []),
        ("status", "text"),
        ("status.unknown", 1),
        ("status.rollout.phase", "Impossible"),
        ("status.rollout.phase", "Reembedding"),
        ("status.rollout.phase", "Holding"),
        ("status.rollout.since", "2026-01-01T00:00:00"),
    ],
)
def test_a_resource_that_cannot_be_is_named_by_reads_and_writes(path: str, value: object, tmp_path: Path) -> None:
    declared(tmp_path, sample("photos"))
    file = CacheFile(tmp_path)
    body = json.loads(file.path.read_text())
    *parents, last = path.split(".")
    part = body
    for name in parents:
        part = part.setdefault(name, {})
    part[last] = value
    file.path.write_text(json.dumps(body))
    with pytest.raises(CacheFileError, match=r"cache\.json cannot be read"):
        file.read()
    with pytest.raises(CacheFileError, match=r"cache\.json cannot be read"):
        file.merge({"spec": {"rollout": {"paused": True}}})
    assert json.loads(file.path.read_text()) == body


def test_a_space_of_another_encoder_is_named(tmp_path: Path) -> None:
    cache = declared(tmp_path, sample("photos"))
    state = filling(RolloutPhase.REEMBEDDING)
    state = state.with_spaces(active=state.active.model_copy(update={"id": "other"}))
    file = CacheFile(tmp_path)
    file.write_status(build_status(cache.status, state, generation=1))
    with pytest.raises(CacheFileError, match="other is not the space of its encoder"):
        file.read()


def test_a_deeply_nested_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "cache.json").write_text("[" * 100_000)
    with pytest.raises(CacheFileError, match=r"cache\.json"):
        CacheFile(tmp_path).read()


def test_a_disk_error_names_the_file(tmp_path: Path) -> None:
    declared(tmp_path, sample("photos"))
    file = CacheFile(tmp_path)
    (tmp_path / "cache.json.new").mkdir()
    with pytest.raises(CacheFileError, match="cannot be written"):
        file.merge({"spec": {"rollout": {"paused": True}}})
    file.path.unlink()
    file.path.mkdir()
    with pytest.raises(CacheFileError, match="cannot be read"):
        file.read()


@pytest.mark.parametrize("seconds", ["", "nan", "inf", "-1", "0", "soon"])
def test_a_time_of_a_key_that_cannot_be_is_not_known(seconds: str) -> None:
    cache = sample("photos").status
    assert parse_encode_seconds(cache.model_copy(update={"cache": CacheStatus(encode_seconds=seconds)})) is None


def test_a_folder_of_an_earlier_version_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "rollout.json").write_text('{"active": {}}')
    with pytest.raises(CacheFileError, match="--fresh"):
        CacheFile(tmp_path).read()


def test_a_folder_without_a_cache_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmbArkError, match=f"{tmp_path} has no cache"), open_folder(tmp_path):
        pass


def test_every_write_has_another_version(tmp_path: Path) -> None:
    file = CacheFile(tmp_path)
    assert file.version is None
    declared(tmp_path, sample("photos"))
    versions: list[Any] = [file.version]
    for _ in range(3):
        file.merge({"metadata": {"annotations": {APPROVED: "a"}}})
        versions.append(file.version)
    assert len(set(versions)) == 4
    assert json.loads(file.path.read_text())["metadata"]["resourceVersion"] == "4"
