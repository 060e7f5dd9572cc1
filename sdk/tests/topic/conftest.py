from collections.abc import Iterator
from pathlib import Path

import pytest

from embark.topic import FillTopic
from embark.topic.sqlite.adapter import SqliteTopic
from embark_testing.contracts.records import CAPACITY, PARTITIONS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "embark.db"


@pytest.fixture
def topic(path: Path) -> Iterator[FillTopic]:
    topic = SqliteTopic(path, PARTITIONS, capacity=CAPACITY)
    yield topic
    topic.close()
