from collections.abc import Callable
from pathlib import Path

from click.testing import Result

Run = Callable[..., Result]
SAMPLES = Path(__file__).parents[3] / "samples"


def test_a_valid_manifest_is_shown_with_its_cache_and_space(run: Run) -> None:
    photos, titles = SAMPLES / "photos.yaml", SAMPLES / "titles.yaml"
    result = run("validate", str(photos), str(titles))
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"{photos}: ok, cache default/photos, space 7bdb635910b3",
        f"{titles}: ok, cache default/titles, space c47976966bb4",
    ]


def test_every_error_of_every_file_is_printed_with_its_field(run: Run, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    text = (SAMPLES / "photos.yaml").read_text()
    bad.write_text(text.replace("dimension: 1280", "dimension: 0").replace("name: photos", "name: Photos"))
    result = run("validate", str(bad), str(SAMPLES / "titles.yaml"))
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(f"{bad}: metadata.name: string should match pattern")
    assert lines[1] == f"{bad}: spec.encoder.output.dimension: input should be greater than or equal to 1, not 0"
    assert ": ok, cache default/titles" in lines[2]


def test_a_file_that_is_not_a_manifest_is_reported(run: Run, tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text("- 1\n")
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "broken.yaml").write_text("a: [")
    (tmp_path / "deep.yaml").write_text("[" * 5000)
    (tmp_path / "loop.yaml").write_text("a: &a [*a]")
    result = run("validate", *(str(path) for path in sorted(tmp_path.iterdir())), str(tmp_path / "missing.yaml"))
    assert result.exit_code == 1
    expected = [
        "broken.yaml: (file): not YAML:",
        "deep.yaml: (file): YAML that cannot be parsed:",
        "list.yaml: (file): not a mapping;",
        "loop.yaml: (file): cannot be converted to JSON:",
        "photo.jpg: (file): not UTF-8 from byte 0 on",
        "missing.yaml: (file): No such file or directory",
    ]
    for line, start in zip(result.stdout.splitlines(), expected, strict=True):
        assert line.startswith(f"{tmp_path}/{start}")
