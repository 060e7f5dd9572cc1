from collections.abc import Iterator
from pathlib import Path

import pytest

from embark.store import EmbeddingStore
from embark.store.sqlite.adapter import SqliteStore
from embark_testing.contracts.rows import OTHER_SPACE, SPACE
from embark_testing.fake_clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a #file? of 100%.db"


@pytest.fixture
def store(path: Path, clock: FakeClock) -> Iterator[EmbeddingStore]:
    store = SqliteStore(path, clock)
    store.ensure_space(SPACE)
    store.ensure_space(OTHER_SPACE)
    yield store
    store.close()
