from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("embark_testing.contracts")

from embark.topic import FillTopic  # noqa: E402
from embark.topic.sqlite.adapter import SqliteTopic  # noqa: E402
from embark_testing.contracts.records import CAPACITY, PARTITIONS  # noqa: E402 - after the rewriting is registered


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "embark.db"


@pytest.fixture
def topic(path: Path) -> Iterator[FillTopic]:
    topic = SqliteTopic(path, PARTITIONS, capacity=CAPACITY)
    yield topic
    topic.close()
