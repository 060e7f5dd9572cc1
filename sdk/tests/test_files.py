"""Files that are read again when they change."""

import logging
from pathlib import Path

import pytest

from embark.files import FileWatcher


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "number"
    path.write_text("1")
    return path


def watch(path: Path) -> FileWatcher[int]:
    return FileWatcher("numbers", [path], lambda: int(path.read_text()), ValueError)


def test_a_file_is_read_again_once_it_changes(path: Path) -> None:
    watcher = watch(path)
    assert (watcher.current, watcher.renew()) == (1, False)
    path.write_text("22")
    assert (watcher.renew(), watcher.current) == (True, 22)
    assert not watcher.renew()


def test_a_file_that_was_replaced_by_one_of_the_same_size_is_read_again(path: Path, tmp_path: Path) -> None:
    watcher = watch(path)
    (tmp_path / "new").write_text("2")
    (tmp_path / "new").rename(path)
    assert (watcher.renew(), watcher.current) == (True, 2)


def test_a_file_that_cannot_be_used_changes_nothing_until_it_can(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    watcher = watch(path)
    path.write_text("half")
    with caplog.at_level(logging.WARNING):
        assert (watcher.renew(), watcher.current) == (False, 1)
    assert "numbers are not renewed yet" in caplog.text
    path.write_text("333")
    assert (watcher.renew(), watcher.current) == (True, 333)


def test_the_first_value_has_to_be_readable(path: Path) -> None:
    path.write_text("half")
    with pytest.raises(ValueError, match="half"):
        watch(path)
