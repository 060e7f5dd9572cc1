from collections.abc import Iterator
from pathlib import Path

import pytest

from embark_testing.fake_clock import FakeClock

pytest.register_assert_rewrite("embark_testing.contracts")

from embark.store import EmbeddingStore  # noqa: E402
from embark.store.sqlite.adapter import SqliteStore  # noqa: E402
from embark_testing.contracts.rows import OTHER_SPACE, SPACE  # noqa: E402 - after the rewriting is registered


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
