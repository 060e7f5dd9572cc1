from pathlib import Path

import pytest
import yaml

from embark.space import Space
from embark_testing.caches import sample_text
from embark_testing.worlds.rollout_commands import NEW, OLD, OTHER_MODEL, Commands


def _manifest(folder: Path, text: str) -> str:
    path = folder / "cache.yaml"
    path.write_text(text)
    return str(path)


def test_a_plan_of_a_file_changes_nothing(tmp_path: Path) -> None:
    commands = Commands()
    version = commands.body["metadata"]["resourceVersion"]
    result = commands.run("plan", _manifest(tmp_path, sample_text("photos", encoder=OTHER_MODEL)))
    assert (result.exit_code, "re-embedding from space" in result.output) == (0, True)
    assert commands.body["metadata"]["resourceVersion"] == version


def test_a_plan_of_the_same_file_exits_with_0(tmp_path: Path) -> None:
    result = Commands().run("plan", _manifest(tmp_path, sample_text("photos")))
    assert (result.exit_code, result.output) == (
        0,
        f"default/photos: no re-embedding: same space {Space.from_encoder(OLD).id}\n",
    )


def test_a_plan_of_a_name_is_that_of_the_rollout_in_progress() -> None:
    commands = Commands()
    commands.roll_out("AwaitingApproval", total=7)
    result = commands.run("plan", "photos")
    assert (result.exit_code, f"to space {Space.from_encoder(NEW).id}" in result.output) == (0, True)


def test_faults_are_printed_as_validate_does_before_any_cluster_is_opened(tmp_path: Path) -> None:
    commands = Commands()
    file = _manifest(tmp_path, sample_text("photos", encoder={"output": {"dimension": 0}}, kfc={"speed": 1}))
    result = commands.run("plan", file)
    assert result.exit_code == 1
    assert sorted(result.output.splitlines()) == [
        f"{file}: spec.encoder.output.dimension: input should be greater than or equal to 1, not 0",
        f"{file}: spec.kfc.speed: no such field",
    ]
    assert commands.targets == []


@pytest.mark.parametrize("name", ["missing.yaml", "no/such/file", "Photos"])
def test_an_argument_that_is_neither_a_file_nor_a_name_is_reported_in_one_line(name: str) -> None:
    result = Commands().run("plan", name)
    assert (result.exit_code, result.output) == (1, f"Error: {name}: No such file or directory\n")


def test_a_binary_file_is_reported_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    result = Commands().run("plan", str(tmp_path / "photo.jpg"))
    assert (result.exit_code, result.output.splitlines()[0].endswith("not UTF-8 from byte 0 on")) == (1, True)


def test_a_change_of_the_immutable_modality_is_not_planned(tmp_path: Path) -> None:
    document = yaml.safe_load(sample_text("titles"))
    document["metadata"] = {"name": "photos"}
    result = Commands().run("plan", _manifest(tmp_path, yaml.safe_dump(document)))
    assert (result.exit_code, "spec.encoder.modality is immutable, and image" in result.output) == (1, True)


def test_the_manifest_gives_the_namespace_and_the_options_must_not_contradict_it(tmp_path: Path) -> None:
    document = yaml.safe_load(sample_text("photos"))
    document["metadata"]["namespace"] = "ads"
    file = _manifest(tmp_path, yaml.safe_dump(document))
    assert "EmbeddingCache ads/photos: not found" in Commands().run("plan", file).output
    result = Commands().run("plan", file, "-n", "default")
    assert (result.exit_code, "metadata.namespace is ads, but --namespace is default" in result.output) == (1, True)


@pytest.mark.parametrize("part", ["spec", "status"])
def test_a_cache_of_a_later_version_is_reported_in_one_line(part: str) -> None:
    commands = Commands()
    commands.body[part]["later"] = 1
    result = commands.run("plan", "photos")
    assert result.exit_code == 1
    [line] = result.output.splitlines()
    assert line.startswith(f"Error: {part}.later: ")
    assert "another version of EmbArk" in line
